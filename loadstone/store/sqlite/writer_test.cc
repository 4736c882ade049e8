#include "loadstone/store/sqlite/writer.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <thread>

#include "loadstone/runtime/event.h"
#include "loadstone/runtime/task_scope.h"
#include "loadstone/store/sqlite/testing_items.h"

namespace loadstone::store {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)
using runtime::TaskScope;
using telemetry::WaitKind;

using WriterTest = HeldDiskTest;

Task<void> insert_and_throw(Tx& tx, const std::string& name) {
    co_await insert_item(tx, name);
    throw Error(Errc::permission_denied, "not this one");
}
Task<void> insert_owned(Tx& tx, const std::string& name, std::int64_t owner) {
    co_await tx.exec(add_owned_item, name, owner);
}
Task<void> insert_and_notice(Tx& tx, const std::string& name, std::atomic<int>* actions) {
    co_await insert_item(tx, name);
    tx.after_commit([actions] { ++*actions; });
}
Task<void> insert_notice_and_throw(Tx& tx, std::atomic<int>* actions) {
    co_await insert_and_notice(tx, "never", actions);
    throw Error(Errc::conflict, "after all not");
}
Task<void> insert_and_sleep(Tx& tx, const std::string& name) {
    co_await insert_item(tx, name);
    co_await runtime::sleep_until(Deadline::in(std::chrono::milliseconds(30)));
    co_await insert_item(tx, name + " again");
}
Task<void> insert_and_await(Tx& tx, runtime::Event* event) {
    co_await insert_item(tx, "waits");
    co_await event->wait(Deadline::in(std::chrono::seconds(20)));
}
Task<void> write_in_write(Tx& tx, Context* context) {
    co_await insert_item(tx, "outer");
    co_await context->write(insert_item, std::string("inner"));
}
Task<void> read_in_write(Tx& tx, Context* context) {
    co_await insert_item(tx, "outer");
    co_await context->reader().one<std::int64_t>(item_count);
}
Task<std::int64_t> insert_many(Tx& tx, std::int64_t number) {
    const std::uint64_t affected = co_await tx.exec(add_many_items, number);
    co_return static_cast<std::int64_t>(affected);
}
Task<void> swallow_and_go_on(Tx& tx) {
    try {
        co_await insert_many(tx, 1'000'000'000);
    } catch (const Error&) {
    }
    co_await insert_item(tx, "after the deadline");
}

TEST_F(WriterTest, AnswersOnlyAfterTheCommitIsOnDisk) {
    open_with_items();
    disk.hold_syncs();
    TaskScope scope("writes");
    for (int i = 0; i < 3; ++i) {
        scope.spawn(loops.executor(i % 2),
                    insert_named(fmt::format("item {}", i), Deadline::in(ample), &done, &failed));
    }
    ASSERT_TRUE(wait_until([&] { return disk.syncs_held > 0; }));
    EXPECT_EQ(done, 0);
    EXPECT_EQ(scope.running(), 3U);
    disk.release_syncs();
    ASSERT_TRUE(scope.join_blocking(Deadline::in(ample)));
    EXPECT_EQ(done, 3);
    EXPECT_EQ(failed, 0);
    EXPECT_EQ(count(), 3);
}

TEST_F(WriterTest, CommitsWhatIsQueuedTogetherWithOneFsync) {
    open_with_items();
    TaskScope scope("writes");
    hold(scope);
    const std::uint64_t commits = counted("loadstone_store_commits_total");
    const std::uint64_t fsyncs = counted("loadstone_store_fsyncs_total");
    for (int i = 0; i < 100; ++i) {
        scope.spawn(loops.executor(i % 2),
                    insert_named(fmt::format("item {}", i), Deadline::in(ample), &done, &failed));
    }
    ASSERT_TRUE(queued(100));
    disk.release_syncs();
    ASSERT_TRUE(scope.join_blocking(Deadline::in(ample)));
    EXPECT_EQ(done, 101);
    EXPECT_EQ(counted("loadstone_store_commits_total"), commits + 2);
    EXPECT_EQ(counted("loadstone_store_fsyncs_total"), fsyncs + 1);
}

TEST_F(WriterTest, CommitsEachAloneWithoutGroupCommit) {
    options.group_commit = false;
    open_with_items();
    const std::uint64_t commits = counted("loadstone_store_commits_total");
    TaskScope scope("writes");
    for (int i = 0; i < 20; ++i) {
        scope.spawn(loops.executor(i % 2),
                    insert_named(fmt::format("item {}", i), Deadline::in(ample), &done, &failed));
    }
    ASSERT_TRUE(scope.join_blocking(Deadline::in(ample)));
    EXPECT_EQ(counted("loadstone_store_commits_total"), commits + 20);
}

TEST_F(WriterTest, RollsBackOnlyTheBodyThatFails) {
    open_with_items();
    TaskScope scope("writes");
    hold(scope);
    // All of one group; the third breaks the unique key that the second has just taken.
    for (const char* name : {"a", "b", "b", "c"}) {
        scope.spawn(loops.executor(0), insert_named(name, Deadline::in(ample), &done, &failed));
    }
    ASSERT_TRUE(queued(4));
    disk.release_syncs();
    ASSERT_TRUE(scope.join_blocking(Deadline::in(ample)));
    EXPECT_EQ(done, 4);
    EXPECT_EQ(failed, 1);
    const std::vector<std::string> expected{"holds", "a", "b", "c"};
    EXPECT_EQ(names(), expected);
}

TEST_F(WriterTest, GoesOnWithTheOthersWhenTheFirstOfAGroupFails) {
    open_with_items();
    TaskScope scope("writes");
    hold(scope);
    const std::uint64_t commits = counted("loadstone_store_commits_total");
    for (const char* name : {"holds", "a", "b"})  // the first breaks the unique key
        scope.spawn(loops.executor(0), insert_named(name, Deadline::in(ample), &done, &failed));
    ASSERT_TRUE(queued(3));
    disk.release_syncs();
    ASSERT_TRUE(scope.join_blocking(Deadline::in(ample)));
    EXPECT_EQ(done, 3);
    EXPECT_EQ(failed, 1);
    const std::vector<std::string> expected{"holds", "a", "b"};
    EXPECT_EQ(names(), expected);
    EXPECT_EQ(counted("loadstone_store_commits_total"), commits + 2);
    EXPECT_EQ(counted("loadstone_store_rollbacks_total"), 1U);
}

TEST_F(WriterTest, GivesTheBodysExceptionToTheCaller) {
    open_with_items();
    const Error error = error_thrown_by([&] { write(insert_and_throw, std::string("x")); });
    EXPECT_EQ(error.code(), Errc::permission_denied);
    EXPECT_EQ(error.message(), "not this one");
    EXPECT_EQ(count(), 0);
}

TEST_F(WriterTest, NamesTheStatementAndTheKeyThatIsTaken) {
    open_with_items();
    write(insert_item, std::string("x"));
    const Error error = error_thrown_by([&] { write(insert_item, std::string("x")); });
    EXPECT_EQ(error.code(), Errc::already_exists);
    EXPECT_EQ(error.message(), "test.add_item: UNIQUE constraint failed: items.name");
}

TEST_F(WriterTest, RunsTheOthersOfAGroupAgainWhenADeferredForeignKeyFailsItsCommit) {
    open_with_items();
    TaskScope scope("writes");
    hold(scope);
    scope.spawn(loops.executor(0), insert_named("a", Deadline::in(ample), &done, &failed));
    Context context(*services, Deadline::in(ample));
    Errc code{};
    auto orphan = [](Context& c, Errc* out) -> Task<void> {
        try {
            co_await c.write(insert_owned, std::string("orphan"), std::int64_t{4711});
        } catch (const Error& error) {
            *out = error.code();
        }
    };
    scope.spawn(loops.executor(0), orphan(context, &code));
    scope.spawn(loops.executor(0), insert_named("b", Deadline::in(ample), &done, &failed));
    ASSERT_TRUE(queued(3));
    disk.release_syncs();
    ASSERT_TRUE(scope.join_blocking(Deadline::in(ample)));
    EXPECT_EQ(done, 3);
    EXPECT_EQ(failed, 0);
    EXPECT_EQ(code, Errc::conflict);
    const std::vector<std::string> expected{"holds", "a", "b"};
    EXPECT_EQ(names(), expected);
}

TEST_F(WriterTest, RunsActionsAfterTheCommitAndDropsThoseOfARollback) {
    open_with_items();
    std::atomic<int> actions{0};
    write(insert_and_notice, std::string("x"), &actions);
    EXPECT_EQ(actions, 1);
    error_thrown_by([&] { write(insert_notice_and_throw, &actions); });
    EXPECT_EQ(actions, 1);
}

TEST_F(WriterTest, RefusesWhenTheQueueIsFull) {
    options.write_queue_max = 2;
    open_with_items();
    TaskScope scope("writes");
    hold(scope);
    for (int i = 0; i < 2; ++i) {
        scope.spawn(loops.executor(0),
                    insert_named(fmt::format("item {}", i), Deadline::in(ample), &done, &failed));
    }
    const Error error = error_thrown_by([&] { write(insert_item, std::string("one too many")); });
    EXPECT_EQ(error.code(), Errc::unavailable);
    EXPECT_TRUE(error.retry_after());
    EXPECT_NE(error.message().find("is full: 2 transactions wait"), std::string::npos)
        << error.message();
    EXPECT_EQ(counted("loadstone_store_write_queue_full_total"), 1U);
    disk.release_syncs();
    ASSERT_TRUE(scope.join_blocking(Deadline::in(ample)));
    EXPECT_EQ(done, 3);
}

TEST_F(WriterTest, EndsAWaitInTheQueueAtTheDeadline) {
    open_with_items();
    TaskScope scope("writes");
    hold(scope);
    Context context(*services, Deadline::in(std::chrono::milliseconds(30)));
    const Error error =
        error_thrown_by([&] { run(context.write(insert_item, std::string("late"))); });
    EXPECT_EQ(error.code(), Errc::deadline_exceeded) << error.message();
    EXPECT_NE(error.message().find("in the write queue"), std::string::npos) << error.message();
    EXPECT_GE(context.span().wait_ns[static_cast<std::size_t>(WaitKind::lock)], 20'000'000U);
    EXPECT_EQ(done, 0);
    disk.release_syncs();
    ASSERT_TRUE(scope.join_blocking(Deadline::in(ample)));
    const std::vector<std::string> expected{"holds"};
    EXPECT_EQ(names(), expected);
}

TEST_F(WriterTest, EndsAWaitInTheQueueWhenCancelled) {
    open_with_items();
    TaskScope scope("writes");
    hold(scope);
    Context context(*services, Deadline::in(ample));
    std::thread canceller([&] {
        queued(1);
        context.cancel();
    });
    const Error error = error_thrown_by([&] { run(context.write(insert_item, std::string("x"))); });
    canceller.join();
    EXPECT_EQ(error.code(), Errc::cancelled);
    disk.release_syncs();
    ASSERT_TRUE(scope.join_blocking(Deadline::in(ample)));
}

TEST_F(WriterTest, InterruptsABodyAtItsDeadlineAndRunsTheOthersOfItsGroupAgain) {
    open_with_items();
    TaskScope scope("writes");
    hold(scope);
    scope.spawn(loops.executor(0), insert_named("a", Deadline::in(ample), &done, &failed));
    Errc code{};
    auto endless = [](runtime::Services& all, Errc* out) -> Task<void> {
        Context context(all, Deadline::in(std::chrono::milliseconds(500)));
        try {
            co_await context.write(insert_many, std::int64_t{1'000'000'000});
        } catch (const Error& error) {
            *out = error.code();
        }
    };
    scope.spawn(loops.executor(0), endless(*services, &code));
    scope.spawn(loops.executor(0), insert_named("b", Deadline::in(ample), &done, &failed));
    ASSERT_TRUE(queued(3));
    disk.release_syncs();
    ASSERT_TRUE(scope.join_blocking(Deadline::in(ample)));
    EXPECT_EQ(code, Errc::deadline_exceeded);
    EXPECT_EQ(done, 3);
    const std::vector<std::string> expected{"holds", "a", "b"};
    EXPECT_EQ(names(), expected);
    EXPECT_EQ(counted("loadstone_store_transaction_reruns_total"), 1U);
}

TEST_F(WriterTest, WritesNothingForABodyThatGoesOnAfterItsTransactionEnded) {
    open_with_items();
    Context context(*services, Deadline::in(std::chrono::milliseconds(100)));
    const Error error = error_thrown_by([&] { run(context.write(swallow_and_go_on)); });
    EXPECT_TRUE(error.code() == Errc::deadline_exceeded || error.code() == Errc::internal)
        << error.message();
    EXPECT_EQ(count(), 0);
}

TEST_F(WriterTest, NamesABodyThatAwaitsSomethingElseThanItsTx) {
    open_with_items();
    Context context(*services, Deadline::in(ample));
    context.set_module("courses");
    context.span().start(1, "POST /courses");
    const Error error =
        error_thrown_by([&] { run(context.write(insert_and_sleep, std::string("x"))); });
    EXPECT_EQ(error.code(), Errc::internal);
    EXPECT_EQ(error.message(),
              "a transaction of POST /courses (courses) awaited something else than its Tx");
    EXPECT_EQ(count(), 0);
    EXPECT_EQ(write(insert_item, std::string("next")), 1);
}

TEST_F(WriterTest, GoesOnWhileABodyAwaitsSomethingElse) {
    open_with_items();
    runtime::Event event;
    Context context(*services, Deadline::in(ample));
    Errc code{};
    auto waits = [](Context& c, runtime::Event* e, Errc* out) -> Task<void> {
        try {
            co_await c.write(insert_and_await, e);
        } catch (const Error& error) {
            *out = error.code();
        }
    };
    TaskScope scope("stray");
    scope.spawn(loops.executor(1), waits(context, &event, &code));
    ASSERT_TRUE(
        wait_until([&] { return counted("loadstone_store_stray_transactions_total") == 1; }));
    write(insert_item, std::string("others"));
    EXPECT_EQ(scope.running(), 1U);
    event.set();
    ASSERT_TRUE(scope.join_blocking(Deadline::in(ample)));
    EXPECT_EQ(code, Errc::internal);
    const std::vector<std::string> expected{"others"};
    EXPECT_EQ(names(), expected);
}

TEST_F(WriterTest, RefusesAWriteInsideAWrite) {
    open_with_items();
    Context context(*services, Deadline::in(ample));
    const Error error = error_thrown_by([&] { run(context.write(write_in_write, &context)); });
    EXPECT_EQ(error.code(), Errc::internal);
    EXPECT_NE(error.message().find("context.write() inside a transaction"), std::string::npos)
        << error.message();
    EXPECT_EQ(count(), 0);
}

TEST_F(WriterTest, RefusesAReaderInsideAWrite) {
    open_with_items();
    Context context(*services, Deadline::in(ample));
    const Error error = error_thrown_by([&] { run(context.write(read_in_write, &context)); });
    EXPECT_EQ(error.code(), Errc::internal);
    EXPECT_NE(error.message().find("context.reader() inside a transaction"), std::string::npos)
        << error.message();
}

TEST_F(WriterTest, RefusesStatementsThatEndTheTransaction) {
    open_with_items();
    static constexpr Command commit{.name = "test.commit", .sqlite = "commit"};
    static constexpr Command attach{.name = "test.attach", .sqlite = "attach ':memory:' as other"};
    static constexpr Command unsafe{.name = "test.unsafe", .sqlite = "pragma synchronous = off"};
    for (const Command* forbidden : {&commit, &attach, &unsafe}) {
        auto body = [](Tx& tx, const Command* command) -> Task<void> {
            co_await insert_item(tx, "x");
            co_await tx.exec(*command);
        };
        const Error error = error_thrown_by([&] { write(body, forbidden); });
        EXPECT_EQ(error.code(), Errc::internal) << error.message();
        EXPECT_NE(error.message().find("not authorized"), std::string::npos) << error.message();
    }
    EXPECT_EQ(count(), 0);
}

TEST_F(WriterTest, AccountsWaitsStatementsAndCpuOnTheSpan) {
    open_with_items();
    Context context(*services, Deadline::in(ample));
    context.span().start(1, "POST /items");
    run(context.write(insert_many, std::int64_t{20'000}));
    const telemetry::Span& span = context.span();
    EXPECT_EQ(span.statements, 1U);
    EXPECT_EQ(span.query_count, 1);
    EXPECT_GT(span.queries[0].ns, 1'000'000U);
    EXPECT_GE(telemetry::tsc_to_ns(span.cpu_tsc), span.queries[0].ns);
    EXPECT_GT(span.wait_ns[static_cast<std::size_t>(WaitKind::lock)], 0U);
    EXPECT_GT(span.wait_ns[static_cast<std::size_t>(WaitKind::disk)], 0U);
    const telemetry::Snapshot snapshot = registry.snapshot();
    EXPECT_EQ(snapshot.queries[span.queries[0].query].count, 1U);
    EXPECT_STREQ(registry.name_of(span.queries[0].query), "test.add_many_items");
}

TEST_F(WriterTest, CountsRowsAffected) {
    open_with_items();
    EXPECT_EQ(write(insert_many, std::int64_t{250}), 250);
    EXPECT_EQ(count(), 250);
}

TEST_F(WriterTest, FailsWhatIsQueuedWhenStopped) {
    open_with_items();
    TaskScope scope("writes");
    hold(scope);
    scope.spawn(loops.executor(0), insert_named("queued", Deadline::in(ample), &done, &failed));
    ASSERT_TRUE(queued(1));
    std::thread stopper([&] { database->stop(); });
    // The lane ends its group first, and it cannot until the disk is let go.
    EXPECT_EQ(done, 0);
    disk.release_syncs();
    stopper.join();
    ASSERT_TRUE(scope.join_blocking(Deadline::in(ample)));
    EXPECT_GE(done, 1);
    EXPECT_EQ(done + failed, 2);
}

}  // namespace
}  // namespace loadstone::store
