#include "loadstone/server/internal/admin_socket.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "loadstone/base/error.h"
#include "loadstone/base/unix_address.h"

namespace loadstone::server::internal {
namespace {

struct AdminSocketTest : testing::Test {
    std::filesystem::path folder =
        std::filesystem::temp_directory_path() / ("admin_socket_test_" + std::to_string(getpid()));
    std::string run = (folder / "run").string();

    void SetUp() override { std::filesystem::create_directories(folder); }
    void TearDown() override { std::filesystem::remove_all(folder); }

    static std::string echo(std::string_view line) {
        return "answer to " + std::string(line) + "\n";
    }
    AdminSocket open(std::string (*answer)(std::string_view) = echo) const {
        return AdminSocket(run, answer, [] {}, std::chrono::hours(1));
    }
    std::string path() const { return run + "/" + std::to_string(getpid()) + ".sock"; }
};

int mode_of(const std::string& path) {
    struct stat found{};
    EXPECT_EQ(stat(path.c_str(), &found), 0) << path;
    return static_cast<int>(found.st_mode & 0777U);
}

// A socket file that nobody listens on, as a killed process leaves it.
void leave_stale(const std::string& path) {
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    EXPECT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    close(fd);
}

TEST_F(AdminSocketTest, AnswersALine) {
    const AdminSocket socket = open();
    const auto answers = ask_servers(run, "why");
    ASSERT_EQ(answers.size(), 1U);
    EXPECT_EQ(answers[0].process, std::to_string(getpid()));
    EXPECT_EQ(answers[0].text, "answer to why\n");
    EXPECT_EQ(ask_servers(run, "again").at(0).text, "answer to again\n");
}

TEST_F(AdminSocketTest, IsOfItsUserAlone) {
    std::filesystem::create_directories(run);
    const AdminSocket socket = open();
    EXPECT_EQ(mode_of(run), 0700);
    EXPECT_EQ(mode_of(path()), 0600);
}

TEST_F(AdminSocketTest, LeavesNothingBehind) {
    {
        const AdminSocket socket = open();
    }
    EXPECT_FALSE(std::filesystem::exists(path()));
    EXPECT_TRUE(ask_servers(run, "why").empty());
}

TEST_F(AdminSocketTest, TakesThePlaceOfADeadProcessOfItsId) {
    std::filesystem::create_directories(run);
    leave_stale(path());
    const AdminSocket socket = open();
    EXPECT_EQ(ask_servers(run, "why").size(), 1U);
}

TEST_F(AdminSocketTest, AskingRemovesSocketsThatNobodyAnswers) {
    const AdminSocket socket = open();
    leave_stale(run + "/1.sock");
    std::ofstream(run + "/notes.txt") << "not a socket";
    EXPECT_EQ(ask_servers(run, "why").size(), 1U);
    EXPECT_FALSE(std::filesystem::exists(run + "/1.sock"));
    EXPECT_TRUE(std::filesystem::exists(run + "/notes.txt"));
}

// A process that is stopped: its socket takes a few, and then nobody.
TEST_F(AdminSocketTest, WhoDoesNotAnswerIsNamedAndHoldsUpNobodyForLong) {
    const AdminSocket alive = open();
    const std::string stuck = run + "/2.sock";
    const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    const sockaddr_un address = unix_address(stuck, "the socket");
    ASSERT_EQ(bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(listen(listener, 0), 0);
    for (int time = 0; time < 2; ++time) {
        auto answers = ask_servers(run, "why");
        std::ranges::sort(answers, {}, &AdminAnswer::is_silent);
        ASSERT_EQ(answers.size(), 2U);
        EXPECT_EQ(answers[0].text, "answer to why\n");
        EXPECT_TRUE(answers[1].is_silent);
        EXPECT_EQ(answers[1].process, "2");
        EXPECT_EQ(answers[1].text, "no answer from process 2 within 2000 ms\n");
    }
    close(listener);
}

TEST_F(AdminSocketTest, AnAnswerThatFailsIsToldAsAnError) {
    const AdminSocket socket =
        open([](std::string_view) -> std::string { throw std::runtime_error("no figures"); });
    EXPECT_EQ(ask_servers(run, "why").at(0).text, "error: no figures\n");
}

TEST_F(AdminSocketTest, AFolderThatCannotBeMadeIsAnError) {
    std::ofstream(run) << "a file where the folder should be";
    try {
        const AdminSocket socket = open();
        ADD_FAILURE() << "no error";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Errc::unavailable);
        EXPECT_NE(std::string(error.message()).find("Not a directory"), std::string::npos)
            << error.message();
    }
}

TEST_F(AdminSocketTest, APathTooLongForASocketIsAnError) {
    run = (folder / std::string(120, 'x')).string();
    EXPECT_THROW(open(), Error);
    EXPECT_FALSE(std::filesystem::exists(run));
}

TEST_F(AdminSocketTest, NoFolderMeansNoServer) { EXPECT_TRUE(ask_servers(run, "why").empty()); }

}  // namespace
}  // namespace loadstone::server::internal
