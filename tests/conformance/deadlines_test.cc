// A wait ends at its deadline or when it is cancelled, and the database stops working on it.
#include <atomic>

#include "tests/conformance/conformance.h"

namespace tests::conformance {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

class Deadlines : public Conformance {};

constexpr std::int64_t very_long = 1'000'000'000'000;

Task<void> read_long(Context& context) {
    Reader reader = context.reader();
    co_await reader.one<std::int64_t>(sql::takes_long, very_long);
}
Task<void> long_in_tx(Tx& tx) {
    co_await insert_item(tx, "before it took long", 1);
    co_await tx.one<std::int64_t>(sql::takes_long, very_long);
}
Task<void> write_long(Context& context) { co_await context.write(long_in_tx); }

struct Called {
    std::atomic<Context*> context{nullptr};
    std::atomic<int> rows{0};
};
Task<void> read_long_cancellable(Context& context, Called* called) {
    called->context = &context;
    Reader reader = context.reader();
    auto count = [called](const std::int64_t&) { ++called->rows; };
    co_await reader.each<std::int64_t>(sql::takes_long, count, very_long);
}
Task<void> write_long_cancellable(Context& context, Called* called) {
    called->context = &context;
    co_await context.write(long_in_tx);
}

template <class Command>
void expect_on_time(TestStore& store, Command command, milliseconds wait) {
    const auto started = Clock::now();
    auto future = store.start(Deadline::in(wait), command);
    EXPECT_EQ(code_of([&] { future.get(); }), Errc::deadline_exceeded);
    const auto took = std::chrono::duration_cast<milliseconds>(Clock::now() - started);
    EXPECT_GE(took, wait - milliseconds(2));
    EXPECT_LT(took, wait + milliseconds(500));
}

}  // namespace

TEST_P(Deadlines, EndARead) {
    store().run(item_count);
    expect_on_time(store(), read_long, milliseconds(200));
    EXPECT_EQ(store().run(item_count), 0);
}

TEST_P(Deadlines, EndATransactionThatLeavesNothing) {
    store().run(item_count);
    expect_on_time(store(), write_long, milliseconds(200));
    EXPECT_EQ(store().run(item_count), 0);
    EXPECT_GT(store().run(add_item, std::string("after"), std::int64_t{1}), 0);
}

TEST_P(Deadlines, ThatHavePassedEndAWaitBeforeItBegins) {
    auto read = store().start(Deadline::in(milliseconds(-1)), item_count);
    EXPECT_EQ(code_of([&] { read.get(); }), Errc::deadline_exceeded);
    auto write = store().start(Deadline::in(milliseconds(-1)), add_item, std::string("late"),
                               std::int64_t{1});
    EXPECT_EQ(code_of([&] { write.get(); }), Errc::deadline_exceeded);
    EXPECT_EQ(store().run(item_count), 0);
}

TEST_P(Deadlines, OfManyReadsAtOnceAllHold) {
    store().run(item_count);
    const auto started = Clock::now();
    std::vector<std::future<void>> reads;
    for (int i = 0; i < 40; ++i)
        reads.push_back(store().start(Deadline::in(milliseconds(300)), read_long));
    for (auto& read : reads) EXPECT_EQ(code_of([&] { read.get(); }), Errc::deadline_exceeded);
    EXPECT_LT(Clock::now() - started, std::chrono::seconds(2));
    EXPECT_EQ(store().run(item_count), 0);
}

TEST_P(Deadlines, ACancelledReadEnds) {
    store().run(item_count);
    Called called;
    auto read =
        store().start(Deadline::in(std::chrono::seconds(20)), read_long_cancellable, &called);
    ASSERT_TRUE(wait_until([&] { return called.context != nullptr; }));
    called.context.load()->cancel();
    EXPECT_EQ(code_of([&] { read.get(); }), Errc::cancelled);
    EXPECT_EQ(called.rows, 0);
    EXPECT_EQ(store().run(item_count), 0);
}

TEST_P(Deadlines, ACancelledTransactionEndsAndLeavesNothing) {
    store().run(item_count);
    Called called;
    auto write =
        store().start(Deadline::in(std::chrono::seconds(20)), write_long_cancellable, &called);
    ASSERT_TRUE(wait_until([&] { return called.context != nullptr; }));
    called.context.load()->cancel();
    EXPECT_EQ(code_of([&] { write.get(); }), Errc::cancelled);
    EXPECT_EQ(store().run(item_count), 0);
}

TEST_P(Deadlines, ALongReadHoldsUpNoOther) {
    store().run(item_count);
    std::vector<std::future<void>> reads;
    for (int i = 0; i < 2; ++i)
        reads.push_back(store().start(Deadline::in(milliseconds(1'500)), read_long));
    const auto started = Clock::now();
    for (int i = 0; i < 20; ++i) EXPECT_EQ(store().run(item_count), 0);
    EXPECT_LT(Clock::now() - started, milliseconds(1'200));
    for (auto& read : reads) EXPECT_EQ(code_of([&] { read.get(); }), Errc::deadline_exceeded);
}

LOADSTONE_ON_EVERY_BACKEND(Deadlines);

}  // namespace tests::conformance
