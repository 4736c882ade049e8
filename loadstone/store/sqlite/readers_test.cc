#include "loadstone/store/sqlite/readers.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <thread>

#include "loadstone/runtime/task_scope.h"
#include "loadstone/store/sqlite/testing_items.h"

namespace loadstone::store {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)
using runtime::TaskScope;

class ReadersTest : public ItemsTest {
protected:
    std::int64_t sum(std::int64_t to, Deadline deadline = Deadline::in(ample)) {
        Context context(*services, deadline);
        return run(sum_to(context, to));
    }
    std::uint64_t moved() { return counted("loadstone_store_reads_moved_total"); }
    std::uint64_t on_lane() { return counted("loadstone_store_lane_reads_total"); }
};

// Sums what each() gives and which threads gave it.
struct Seen {
    std::int64_t rows = 0;
    bool in_order = true;
    std::thread::id first_thread, last_thread;
};

Task<void> read_numbers(Context& context, std::int64_t to, Seen* seen) {
    auto take = [seen](const std::int64_t& number) {
        if (seen->rows == 0) seen->first_thread = std::this_thread::get_id();
        seen->last_thread = std::this_thread::get_id();
        seen->in_order = seen->in_order && number == seen->rows + 1;
        ++seen->rows;
    };
    co_await context.reader().each<std::int64_t>(numbers, take, to);
}

// Two reads without a suspension between them.
Task<std::pair<std::int64_t, std::int64_t>> count_around_a_commit(Context& context) {
    Reader reader = context.reader();
    const auto before = co_await reader.one<std::int64_t>(item_count);
    std::thread elsewhere([&] {
        sqlite3* db = nullptr;
        const std::string path = context.services().get<std::string>();
        ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
        EXPECT_EQ(sqlite3_exec(db, "insert into items (name) values ('other')", nullptr, nullptr,
                               nullptr),
                  SQLITE_OK);
        sqlite3_close(db);
    });
    elsewhere.join();
    const auto after = co_await reader.one<std::int64_t>(item_count);
    co_return std::pair(before, after);
}

TEST_F(ReadersTest, ReadsWhatAWriteHasAcknowledged) {
    open_with_items();
    for (int i = 1; i <= 50; ++i) {
        write(insert_item, fmt::format("item {}", i));
        EXPECT_EQ(count(), i);
    }
    EXPECT_EQ(on_lane(), 0U);
}

TEST_F(ReadersTest, SeesACommitOfAnotherConnectionAtTheNextReadOfTheSameSlice) {
    open_with_items();
    std::string path = folder.file("test.db");
    services->add(path);
    Context context(*services, Deadline::in(ample));
    const auto [before, after] = run(count_around_a_commit(context));
    EXPECT_EQ(before, 0);
    EXPECT_EQ(after, 1);
}

TEST_F(ReadersTest, CannotWrite) {
    open_with_items();
    static constexpr Query disguised{
        .name = "test.disguised", .sqlite = "insert into items (name) values ('x') returning id"};
    Context context(*services, Deadline::in(ample));
    const Error error =
        error_thrown_by([&] { run(context.reader().one<std::int64_t>(disguised)); });
    EXPECT_NE(error.message().find("readonly"), std::string::npos) << error.message();
    EXPECT_EQ(count(), 0);
}

TEST_F(ReadersTest, MovesAHeavyReadToTheLaneAndRemembersIt) {
    options.inline_steps_max = 2'000;
    open_with_items();
    EXPECT_EQ(sum(10'000), 50'005'000);
    EXPECT_EQ(moved(), 1U);
    EXPECT_EQ(on_lane(), 1U);
    // Now it goes there straight away.
    EXPECT_EQ(sum(10'000), 50'005'000);
    EXPECT_EQ(moved(), 1U);
    EXPECT_EQ(on_lane(), 2U);
}

TEST_F(ReadersTest, TriesAHeavyReadOnTheLoopAgainNowAndThen) {
    options.inline_steps_max = 2'000;
    open_with_items();
    sum(10'000);
    for (std::uint32_t i = 0; i < sqlite::HeavyStatements::lane_runs_min; ++i) sum(10);
    EXPECT_EQ(on_lane(), 1U + sqlite::HeavyStatements::lane_runs_min);
    sum(10);
    sum(10);
    EXPECT_EQ(on_lane(), 1U + sqlite::HeavyStatements::lane_runs_min);
    EXPECT_EQ(moved(), 1U);
}

TEST_F(ReadersTest, GivesEachRowOnceAndInOrderWhenAReadMovesInItsMiddle) {
    options.inline_steps_max = 2'000;
    open_with_items();
    Context context(*services, Deadline::in(ample));
    Seen seen;
    run(read_numbers(context, 100'000, &seen));
    EXPECT_EQ(seen.rows, 100'000);
    EXPECT_TRUE(seen.in_order);
    EXPECT_NE(seen.first_thread, seen.last_thread);
    EXPECT_EQ(moved(), 1U);
    EXPECT_EQ(context.span().statements, 1U);
    EXPECT_EQ(context.span().rows, 100'000U);
}

TEST_F(ReadersTest, KeepsItsSnapshotWhenItMoves) {
    options.inline_steps_max = 2'000;
    open_with_items();
    auto fill = [](Tx& tx) -> Task<void> { co_await tx.exec(add_many_items, 5'000); };
    write(fill);
    // While the rows are read, more are committed, between the first of them and the move.
    std::int64_t rows = 0;
    auto read = [](Context& context, std::string path, std::int64_t* seen) -> Task<void> {
        auto take = [&path, seen](const std::string&) {
            if (++*seen != 1) return;
            sqlite3* db = nullptr;
            ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
            EXPECT_EQ(sqlite3_exec(db, "delete from items where id > 1", nullptr, nullptr, nullptr),
                      SQLITE_OK);
            sqlite3_close(db);
        };
        co_await context.reader().each<std::string>(item_names, take);
    };
    Context context(*services, Deadline::in(ample));
    run(read(context, folder.file("test.db"), &rows));
    EXPECT_EQ(moved(), 1U);
    EXPECT_EQ(rows, 5'000);
    EXPECT_EQ(count(), 1);
}

TEST_F(ReadersTest, InterruptsAReadAtItsDeadline) {
    open_with_items();
    const Error error =
        error_thrown_by([&] { sum(10'000'000'000, Deadline::in(std::chrono::milliseconds(100))); });
    EXPECT_EQ(error.code(), Errc::deadline_exceeded) << error.message();
    EXPECT_EQ(error.message(), "test.slow_sum: stopped at the deadline");
    EXPECT_EQ(sum(10), 55);
}

TEST_F(ReadersTest, InterruptsAReadWhenCancelled) {
    open_with_items();
    Context context(*services, Deadline::in(ample));
    std::thread canceller([&] {
        wait_until([&] { return on_lane() == 1; });
        context.cancel();
    });
    const Error error = error_thrown_by([&] { run(sum_to(context, 10'000'000'000)); });
    canceller.join();
    EXPECT_EQ(error.code(), Errc::cancelled) << error.message();
}

TEST_F(ReadersTest, GivesTheSinksExceptionToTheCallerFromTheLoopAndFromTheLane) {
    options.inline_steps_max = 2'000;
    open_with_items();
    auto read = [](Context& context, std::int64_t throw_at) -> Task<void> {
        auto take = [throw_at](const std::int64_t& number) {
            if (number == throw_at) throw Error(Errc::resource_exhausted, "enough");
        };
        co_await context.reader().each<std::int64_t>(numbers, take, 1'000'000);
    };
    for (const std::int64_t at : {3, 30'000}) {
        Context context(*services, Deadline::in(ample));
        const Error error = error_thrown_by([&] { run(read(context, at)); });
        EXPECT_EQ(error.code(), Errc::resource_exhausted);
    }
    EXPECT_EQ(count(), 0);
}

TEST_F(ReadersTest, RunsManyHeavyReadsWithAFewConnections) {
    options.inline_steps_max = 2'000;
    options.reader_threads = 1;
    open_with_items();
    std::atomic<int> right{0};
    auto read = [](runtime::Services& all, std::atomic<int>* correct) -> Task<void> {
        Context context(all, Deadline::in(ample));
        Seen seen;
        co_await read_numbers(context, 20'000, &seen);
        if (seen.rows == 20'000 && seen.in_order) ++*correct;
    };
    TaskScope scope("reads");
    for (int i = 0; i < 100; ++i) scope.spawn(loops.executor(i % 2), read(*services, &right));
    ASSERT_TRUE(scope.join_blocking(Deadline::in(ample)));
    EXPECT_EQ(right, 100);
}

TEST_F(ReadersTest, LetsTheLogBeginAnewUnderReadsThatNeverPause) {
    open_with_items();
    std::atomic<bool> stop{false};
    auto read = [](runtime::Services& all, std::atomic<bool>* end) -> Task<void> {
        while (!*end) {
            Context context(all, Deadline::in(ample));
            co_await context.reader().one<std::int64_t>(item_count);
            // Back to the loop, as a request's next read would be.
            co_await runtime::sleep_until(Deadline::in(std::chrono::microseconds(1)));
        }
    };
    TaskScope scope("reads");
    for (int i = 0; i < 8; ++i) scope.spawn(loops.executor(1), read(*services, &stop));
    auto fill = [](Tx& tx) -> Task<void> { co_await tx.exec(add_many_items, 200); };
    write(fill);
    static constexpr Command pad{
        .name = "test.pad",
        .sqlite = "update items set name = hex(randomblob(2000)) where id <= 200"};
    auto touch = [](Tx& tx) -> Task<void> { co_await tx.exec(pad); };
    for (int i = 0; i < 60; ++i) write(touch);
    stop = true;
    ASSERT_TRUE(scope.join_blocking(Deadline::in(ample)));
    // All that was written is above 100 MB; the log is begun anew every 8 MB, or 16 if that fails.
    EXPECT_LT(std::filesystem::file_size(folder.file("test.db-wal")), 64U << 20);
}

TEST_F(ReadersTest, FailsAfterStop) {
    open_with_items();
    database->stop();
    const Error error = error_thrown_by([&] { count(); });
    EXPECT_EQ(error.code(), Errc::unavailable);
}

TEST_F(ReadersTest, RunsOnTheLaneForThreadsThatAreNoLoop) {
    open_with_items();
    Context context(*services, Deadline::in(ample));
    const Reader reader = context.reader();  // taken here, run on a loop
    auto read = [](Reader r) -> Task<std::int64_t> {
        co_return co_await r.one<std::int64_t>(item_count);
    };
    EXPECT_EQ(run(read(reader)), 0);
    EXPECT_EQ(on_lane(), 1U);
}

}  // namespace
}  // namespace loadstone::store
