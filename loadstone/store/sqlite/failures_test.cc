// What the disk, the file and other processes can do to a SQLite database.

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "loadstone/runtime/task_scope.h"
#include "loadstone/store/sqlite/testing_items.h"

namespace loadstone::store {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)
using runtime::TaskScope;

constexpr std::string_view file_name = "test.db";

class FailuresTest : public HeldDiskTest {
protected:
    std::string file() const { return folder.file(file_name.data()); }
    // True if check() finds that the database would work.
    bool ready() {
        Context context(*services, Deadline::in(ample));
        try {
            run(database->check(context));
            return true;
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Errc::unavailable) << error.message();
            return false;
        }
    }
};

// A connection as another process would have it.
class Stranger {
public:
    explicit Stranger(const std::string& file) {
        EXPECT_EQ(sqlite3_open(file.c_str(), &db_), SQLITE_OK);
        sqlite3_busy_timeout(db_, 10'000);
    }
    ~Stranger() { sqlite3_close(db_); }
    Stranger(const Stranger&) = delete;
    Stranger& operator=(const Stranger&) = delete;
    void run(const char* sql) {
        EXPECT_EQ(sqlite3_exec(db_, sql, nullptr, nullptr, nullptr), SQLITE_OK) << sql;
    }

private:
    sqlite3* db_ = nullptr;
};

TEST_F(FailuresTest, AFullDiskFailsTheWholeGroupAndIsRecoveredFrom) {
    open_with_items();
    write(insert_item, std::string("before"));
    disk.write_code = SQLITE_FULL;
    const Error error = error_thrown_by([&] { write(insert_item, std::string("during")); });
    EXPECT_EQ(error.code(), Errc::unavailable);
    EXPECT_TRUE(error.retry_after());
    EXPECT_EQ(error.message(), fmt::format("commit: the disk of {} is full", file()));
    EXPECT_FALSE(ready());
    EXPECT_EQ(count(), 1);

    TaskScope scope("writes");
    for (int i = 0; i < 10; ++i) {
        scope.spawn(loops.executor(i % 2),
                    insert_named(fmt::format("item {}", i), Deadline::in(ample), &done, &failed));
    }
    ASSERT_TRUE(scope.join_blocking(Deadline::in(ample)));
    EXPECT_EQ(failed, 10);
    EXPECT_EQ(done, 0);

    disk.write_code = SQLITE_OK;
    write(insert_item, std::string("after"));
    EXPECT_FALSE(ready()) << "a full disk takes a small write now and then";
    EXPECT_TRUE(wait_until([&] { return ready(); }));
    const std::vector<std::string> expected{"before", "after"};
    EXPECT_EQ(names(), expected);
}

TEST_F(FailuresTest, AnFsyncThatFailsIsNotAnswered) {
    open_with_items();
    disk.sync_code = SQLITE_IOERR_FSYNC;
    const Error error = error_thrown_by([&] { write(insert_item, std::string("during")); });
    EXPECT_EQ(error.code(), Errc::unavailable);
    EXPECT_EQ(error.message(), fmt::format("commit outcome unknown: I/O error {} on {}",
                                           SQLITE_IOERR_FSYNC, file()));
    EXPECT_FALSE(ready());
    EXPECT_EQ(count(), 0);
    disk.sync_code = SQLITE_OK;
    write(insert_item, std::string("after"));
    EXPECT_EQ(count(), 1);
}

TEST_F(FailuresTest, AWriteThatTheDiskRefusesFailsTheGroupAndIsRecoveredFrom) {
    open_with_items();
    disk.write_code = SQLITE_IOERR_WRITE;
    const Error error = error_thrown_by([&] { write(insert_item, std::string("during")); });
    EXPECT_EQ(error.code(), Errc::unavailable);
    disk.write_code = SQLITE_OK;
    write(insert_item, std::string("after"));
    const std::vector<std::string> expected{"after"};
    EXPECT_EQ(names(), expected);
}

TEST_F(FailuresTest, AFileThatIsNoDatabaseIsDataLoss) {
    std::ofstream(file()) << std::string(8192, 'x');
    const Error error = error_thrown_by([&] { open(); });
    EXPECT_EQ(error.code(), Errc::data_loss);
    EXPECT_NE(error.message().find(file()), std::string::npos) << error.message();
}

TEST_F(FailuresTest, ADamagedPageIsDataLossForReadsAndWrites) {
    open_with_items();
    for (int i = 0; i < 200; ++i) write(insert_item, fmt::format("{:0200}", i));
    close();
    {
        std::fstream damaged(file(), std::ios::in | std::ios::out | std::ios::binary);
        damaged.seekp(4096);  // all but the first page
        const std::string rubbish(std::filesystem::file_size(file()) - 4096, '\x5a');
        damaged.write(rubbish.data(), static_cast<std::streamsize>(rubbish.size()));
    }
    open();
    EXPECT_EQ(error_thrown_by([&] { count(); }).code(), Errc::data_loss);
    const Error error = error_thrown_by([&] { write(insert_item, std::string("x")); });
    EXPECT_EQ(error.code(), Errc::data_loss) << error.message();
    EXPECT_NE(error.message().find(file()), std::string::npos) << error.message();
}

TEST_F(FailuresTest, AFolderThatIsMissingIsUnavailable) {
    options.url = "sqlite:" + folder.file("nowhere/test.db");
    const Error error = error_thrown_by([&] { open(); });
    EXPECT_EQ(error.code(), Errc::unavailable);
    EXPECT_NE(error.message().find("nowhere/test.db"), std::string::npos) << error.message();
}

TEST_F(FailuresTest, AFileLockedByAnotherProcessIsUnavailableAfterTheBusyTimeout) {
    options.busy_timeout = std::chrono::milliseconds(100);
    open_with_items();
    Stranger stranger(file());
    stranger.run("begin immediate");
    const auto began = std::chrono::steady_clock::now();
    const Error error = error_thrown_by([&] { write(insert_item, std::string("x")); });
    EXPECT_GE(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(100));
    EXPECT_EQ(error.code(), Errc::unavailable);
    EXPECT_TRUE(error.retry_after());
    EXPECT_EQ(error.message(),
              fmt::format("{} is locked by another process for more than 100 ms", file()));
    EXPECT_FALSE(ready());
    EXPECT_EQ(count(), 0);  // reads go on
    stranger.run("commit");
    write(insert_item, std::string("x"));
    EXPECT_EQ(count(), 1);
}

TEST_F(FailuresTest, AWriteWaitsForALockThatIsReleasedInTime) {
    open_with_items();
    Stranger stranger(file());
    stranger.run("begin immediate");
    TaskScope scope("writes");
    scope.spawn(loops.executor(0), insert_named("x", Deadline::in(ample), &done, &failed));
    ASSERT_TRUE(queued(1));
    stranger.run("commit");
    ASSERT_TRUE(scope.join_blocking(Deadline::in(ample)));
    EXPECT_EQ(done, 1);
}

TEST_F(FailuresTest, TheDeadlineEndsTheWaitForALockOfAnotherProcess) {
    open_with_items();
    Stranger stranger(file());
    stranger.run("begin immediate");
    Context context(*services, Deadline::in(std::chrono::milliseconds(50)));
    const Error error = error_thrown_by([&] { run(context.write(insert_item, std::string("x"))); });
    EXPECT_EQ(error.code(), Errc::deadline_exceeded) << error.message();
    stranger.run("commit");
}

TEST_F(FailuresTest, CommitsOfOthersWakeListenersAndOwnOnesDoNot) {
    open_with_items();
    std::atomic<int> woken{0};
    database->listen("jobs", [&] { ++woken; });
    Stranger stranger(file());
    for (int i = 0; i < 20; ++i) write(insert_item, fmt::format("own {}", i));
    stranger.run("insert into items (name) values ('first')");
    ASSERT_TRUE(wait_until([&] { return woken == 1; }));
    for (int i = 0; i < 20; ++i) write(insert_item, fmt::format("own again {}", i));
    stranger.run("insert into items (name) values ('second')");
    ASSERT_TRUE(wait_until([&] { return woken == 2; }));
    EXPECT_EQ(woken, 2);
}

// ---- a disk that is really full ----

constexpr Command add_blob{
    .name = "test.add_blob",
    .sqlite = "insert into items (name) values (hex(randomblob(50000)) || ?1) returning id",
    .parameters = 1};
Task<std::int64_t> insert_blob(Tx& tx, std::int64_t number) {
    co_return co_await tx.one<std::int64_t>(add_blob, number);
}

class FullDisk : public FailuresTest {
public:
    void TestBody() override {
        ASSERT_EQ(::mount("tmpfs", folder.path().c_str(), "tmpfs", 0, "size=6m"), 0);
        std::ofstream(folder.file("ballast")) << std::string(2 << 20, 'x');
        open_with_items();
        std::int64_t acknowledged = 0;
        std::optional<Error> error;
        for (std::int64_t i = 0; i < 200 && !error; ++i) {
            try {
                write(insert_blob, i);
                ++acknowledged;
            } catch (const Error& full) {
                error = full;
            }
        }
        ASSERT_TRUE(error);
        EXPECT_EQ(error->code(), Errc::unavailable) << error->message();
        EXPECT_NE(error->message().find("is full"), std::string::npos) << error->message();
        EXPECT_GT(acknowledged, 5);
        EXPECT_EQ(count(), acknowledged);
        std::filesystem::remove(folder.file("ballast"));
        write(insert_blob, std::int64_t{1000});
        EXPECT_TRUE(wait_until([&] { return ready(); }));
        EXPECT_EQ(count(), acknowledged + 1);
        close();
        ::umount(folder.path().c_str());
    }
};

// A mount namespace of its own, as root or in a user namespace; false where neither is allowed.
bool enter_mount_namespace() {
    if (::unshare(CLONE_NEWNS) != 0 && ::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
    return ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

TEST(FullDiskTest, LosesNothingAcknowledgedAndIsRecoveredFrom) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        if (!enter_mount_namespace()) ::_exit(0);  // the same is tested with a VFS above
        {
            FullDisk test;
            test.TestBody();
        }
        ::_exit(::testing::Test::HasFailure() ? 1 : 0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

}  // namespace
}  // namespace loadstone::store
