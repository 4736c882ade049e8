#include "campus/reports/report_file.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "loadstone/base/error.h"

namespace campus::reports {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

struct ReportFiles : testing::Test {
    ReportFiles() {
        char name[] = "/tmp/campus-reports-XXXXXX";
        root = ::mkdtemp(name);
        folder = root + "/reports";
    }
    ~ReportFiles() override { fs::remove_all(root); }

    std::string read(const std::string& name) const {
        std::ifstream file(folder + "/" + name, std::ios::binary);
        return std::string(std::istreambuf_iterator<char>(file), {});
    }
    bool exists(const std::string& name) const { return fs::exists(folder + "/" + name); }

    std::string root, folder;
};

TEST_F(ReportFiles, AreUnderTheirNameOnlyWhenTheyAreWhole) {
    ReportFile file(folder, "1-7.csv");
    file.append("one\r\n");
    EXPECT_FALSE(exists("1-7.csv"));
    EXPECT_EQ(read("1-7.csv.part"), "one\r\n");
    EXPECT_FALSE(is_published(folder, "1-7.csv", 5));
    file.append("two\r\n");
    file.publish();
    EXPECT_EQ(read("1-7.csv"), "one\r\ntwo\r\n");
    EXPECT_FALSE(exists("1-7.csv.part"));
    EXPECT_TRUE(is_published(folder, "1-7.csv", 10));
    EXPECT_FALSE(is_published(folder, "1-7.csv", 9));
    struct stat about{};
    ASSERT_EQ(::stat((folder + "/1-7.csv").c_str(), &about), 0);
    EXPECT_EQ(about.st_mode & 0077U, 0U) << "its owner's alone";
}

TEST_F(ReportFiles, GoOnWithACopyOfWhatWasSaved) {
    ReportFile dead(folder, "1-7.csv");
    dead.append("saved,not saved");
    ReportFile next(folder, "1-8.csv");
    ASSERT_TRUE(next.copy_from("1-7.csv", 6));
    dead.append(" and it was only slow");
    next.append("goes on");
    next.publish();
    EXPECT_EQ(read("1-8.csv"), "saved,goes on");
}

TEST_F(ReportFiles, BeginEmptyWhenThereIsLessThanWasSaved) {
    {
        ReportFile dead(folder, "1-7.csv");
        dead.append("short");
    }
    ReportFile next(folder, "1-8.csv");
    EXPECT_FALSE(next.copy_from("1-7.csv", 6));
    EXPECT_FALSE(next.copy_from("1-6.csv", 1)) << "there is none";
    next.append("anew");
    next.publish();
    EXPECT_EQ(read("1-8.csv"), "anew");
}

TEST_F(ReportFiles, OfAnAttemptThatWasOvertakenGetNoName) {
    ReportFile slow(folder, "1-7.csv");
    slow.append("x");
    remove_report_file(folder, "1-7.csv");
    EXPECT_THROW(slow.publish(), loadstone::Error);
    EXPECT_FALSE(exists("1-7.csv"));
}

TEST_F(ReportFiles, AreRemovedFinishedOrNot) {
    ReportFile part(folder, "1-7.csv");
    ReportFile whole(folder, "2-7.csv");
    whole.publish();
    remove_report_file(folder, "1-7.csv");
    remove_report_file(folder, "2-7.csv");
    remove_report_file(folder, "3-7.csv");
    remove_report_file(folder, "");
    EXPECT_TRUE(fs::is_empty(folder));
}

TEST_F(ReportFiles, ThatNobodyHasWrittenToForLongAreStale) {
    ReportFile part(folder, "1-7.csv"), fresh(folder, "3-7.csv");
    ReportFile whole(folder, "2-7.csv");
    whole.publish();
    const auto hours_ago = [&](const std::string& name, int hours) {
        fs::last_write_time(folder + "/" + name,
                            fs::file_time_type::clock::now() - std::chrono::hours(hours));
    };
    hours_ago("1-7.csv.part", 3);
    hours_ago("2-7.csv", 3);
    EXPECT_EQ(remove_stale_files(folder, 2h, 192h), 1);
    EXPECT_FALSE(exists("1-7.csv.part"));
    EXPECT_TRUE(exists("2-7.csv"));
    EXPECT_TRUE(exists("3-7.csv.part"));
    hours_ago("2-7.csv", 193);
    EXPECT_EQ(remove_stale_files(folder, 2h, 192h), 1);
    EXPECT_EQ(remove_stale_files(root + "/none", 2h, 192h), 0);
}

}  // namespace
}  // namespace campus::reports
