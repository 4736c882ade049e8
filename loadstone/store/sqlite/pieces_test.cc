// Reads that let a loop's other work go on in their middle.
#include <gtest/gtest.h>

#include <functional>

#include "loadstone/runtime/task_scope.h"
#include "loadstone/store/sqlite/testing_items.h"

namespace loadstone::store {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)
using runtime::TaskScope;

class PiecesTest : public ItemsTest {
protected:
    PiecesTest() {
        options.piece_steps = 100;
        options.inline_steps_max = 1'000'000;
    }
    std::uint64_t stops() { return counted("loadstone_store_read_stops_total"); }
    std::uint64_t moved() { return counted("loadstone_store_reads_moved_total"); }

    // About 5 steps for each number.
    Task<void> sum(Context& context, std::int64_t to, std::int64_t& result) {
        context.reading().in_pieces = true;
        result = co_await context.reader().one<std::int64_t>(slow_sum, to);
    }
    Task<void> read_numbers(Context& context, std::int64_t to, std::int64_t& seen) {
        context.reading().in_pieces = true;
        auto take = [&seen](const std::int64_t& number) { EXPECT_EQ(number, ++seen); };
        co_await context.reader().each<std::int64_t>(numbers, take, to);
    }
    Task<void> sum_in_its_own(std::int64_t to, std::string& order, char name) {
        Context context(*services, Deadline::in(ample));
        std::int64_t result = 0;
        co_await sum(context, to, result);
        EXPECT_EQ(result, to * (to + 1) / 2);
        order += name;
    }
    // Others' reads, until `other` has ended.
    Task<void> count_meanwhile(const TaskScope& other, int& turns) {
        Context context(*services, Deadline::in(ample));
        while (other.running() > 0) {
            EXPECT_EQ(co_await context.reader().one<std::int64_t>(item_count), 0);
            ++turns;
            co_await runtime::yield();
        }
    }
    Task<void> sum_beside_others(int& turns) {
        TaskScope scope("sum");
        std::string order;
        scope.spawn(loops.executor(0), sum_in_its_own(2'000, order, 's'));
        co_await count_meanwhile(scope, turns);
        co_await scope.join(Deadline::in(ample));
    }
    Task<void> sum_two(std::string& order) {
        TaskScope scope("sums");
        scope.spawn(loops.executor(0), sum_in_its_own(2'000, order, 'a'));
        scope.spawn(loops.executor(0), sum_in_its_own(1'000, order, 'b'));
        co_await scope.join(Deadline::in(ample));
    }
    static Task<void> cancel_in_its_middle(Context& context, std::function<bool()> has_stopped) {
        while (!has_stopped()) co_await runtime::yield();
        context.cancel();
    }
};

TEST_F(PiecesTest, OthersReadOnTheLoopBetweenThem) {
    open_with_items();
    int turns = 0;
    run(sum_beside_others(turns));
    EXPECT_GT(stops(), 50U);
    EXPECT_GE(turns, static_cast<int>(stops()));
    EXPECT_EQ(moved(), 0U);
}

TEST_F(PiecesTest, AShortReadIsOne) {
    open_with_items();
    Context context(*services, Deadline::in(ample));
    std::int64_t result = 0;
    run(sum(context, 3, result));
    EXPECT_EQ(result, 6);
    EXPECT_EQ(stops(), 0U);
}

TEST_F(PiecesTest, GiveEachRowOnceAndInOrderAlsoWhenTheReadMovesToTheLane) {
    options.inline_steps_max = 2'000;
    open_with_items();
    for (const std::int64_t rows : {100, 10'000}) {
        Context context(*services, Deadline::in(ample));
        std::int64_t seen = 0;
        run(read_numbers(context, rows, seen));
        EXPECT_EQ(seen, rows);
        EXPECT_EQ(context.span().statements, 1U);
        EXPECT_EQ(moved(), rows == 100 ? 0U : 1U);
    }
    EXPECT_GT(stops(), 10U);
}

TEST_F(PiecesTest, OneReadComesAfterTheOther) {
    open_with_items();
    std::string order;
    run(sum_two(order));
    EXPECT_EQ(order, "ab");
}

TEST_F(PiecesTest, EndAtTheDeadline) {
    options.inline_steps_max = 1'000'000'000'000;
    open_with_items();
    Context context(*services, Deadline::in(std::chrono::milliseconds(100)));
    std::int64_t result = 0;
    const Error error = error_thrown_by([&] { run(sum(context, 10'000'000'000, result)); });
    EXPECT_EQ(error.code(), Errc::deadline_exceeded) << error.message();
    EXPECT_EQ(count(), 0);
}

TEST_F(PiecesTest, EndWhenTheReadIsCancelled) {
    options.inline_steps_max = 1'000'000'000'000;
    open_with_items();
    Context context(*services, Deadline::in(ample));
    TaskScope scope("cancels");
    scope.spawn(loops.executor(0), cancel_in_its_middle(context, [this] { return stops() > 0; }));
    std::int64_t result = 0;
    const Error error = error_thrown_by([&] { run(sum(context, 10'000'000'000, result)); });
    EXPECT_EQ(error.code(), Errc::cancelled) << error.message();
    EXPECT_TRUE(scope.join_blocking(Deadline::in(ample)));
    EXPECT_EQ(count(), 0);
}

TEST_F(PiecesTest, GiveTheSinksExceptionToTheCaller) {
    open_with_items();
    auto read = [](Context& context) -> Task<void> {
        context.reading().in_pieces = true;
        auto take = [](const std::int64_t& number) {
            if (number == 500) throw Error(Errc::resource_exhausted, "enough");
        };
        co_await context.reader().each<std::int64_t>(numbers, take, 1'000);
    };
    Context context(*services, Deadline::in(ample));
    const Error error = error_thrown_by([&] { run(read(context)); });
    EXPECT_EQ(error.code(), Errc::resource_exhausted) << error.message();
    EXPECT_GT(stops(), 10U);
    EXPECT_EQ(count(), 0);
}

TEST_F(PiecesTest, AReadThatIsHalfDoneEndsWithItsLoop) {
    options.inline_steps_max = 1'000'000'000'000;
    open_with_items();
    Context context(*services, Deadline::in(ample));
    std::int64_t result = 0;
    TaskScope scope("sum");
    scope.spawn(loops.executor(0), sum(context, 10'000'000'000, result));
    ASSERT_TRUE(wait_until([&] { return stops() > 100; }));
    loops.stop();
    EXPECT_EQ(result, 0);
}

}  // namespace
}  // namespace loadstone::store
