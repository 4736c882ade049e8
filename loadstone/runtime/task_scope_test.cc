#include "loadstone/runtime/task_scope.h"

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "loadstone/base/error.h"
#include "loadstone/runtime/event.h"
#include "loadstone/runtime/testing.h"

namespace loadstone::runtime {
namespace {

namespace asio = boost::asio;

const Deadline never = Deadline::unbounded();

struct TaskScopeTest : ::testing::Test {
    telemetry::Registry registry;
    Loops loops{LoopsOptions{2, std::chrono::milliseconds(1000)}, registry};

    void SetUp() override { loops.start(); }
};

Task<void> wait_for(Event& event) { co_await event.wait(never); }
Task<void> count(std::atomic<int>* counter) {
    ++*counter;
    co_return;
}
Task<void> fail() {
    throw Error(Errc::internal, "this task fails, as the test wants");
    co_return;
}
Task<bool> join(TaskScope& scope, Deadline deadline) { co_return co_await scope.join(deadline); }

TEST_F(TaskScopeTest, JoinsWhenAllHaveEnded) {
    TaskScope scope("test");
    Event event;
    for (int i = 0; i < 4; ++i) EXPECT_TRUE(scope.spawn(loops.executor(i % 2), wait_for(event)));
    EXPECT_EQ(scope.running(), 4U);
    EXPECT_FALSE(scope.join_blocking(Deadline::in(std::chrono::milliseconds(1))));
    const Deadline soon = Deadline::in(std::chrono::milliseconds(1));
    EXPECT_FALSE(testing::run_blocking(loops.executor(0), join(scope, soon)));
    event.set();
    EXPECT_TRUE(testing::run_blocking(loops.executor(0), join(scope, never)));
    EXPECT_TRUE(scope.join_blocking(never));
    EXPECT_EQ(scope.running(), 0U);
}

TEST_F(TaskScopeTest, JoinsAtOnceWhenNothingRuns) {
    TaskScope scope("test");
    EXPECT_TRUE(testing::run_blocking(loops.executor(0), join(scope, never)));
}

TEST_F(TaskScopeTest, StartsNothingAfterClose) {
    TaskScope scope("test");
    std::atomic<int> counter{0};
    scope.close();
    EXPECT_FALSE(scope.spawn(loops.executor(0), count(&counter)));
    EXPECT_TRUE(scope.join_blocking(never));
    EXPECT_EQ(counter, 0);
}

TEST_F(TaskScopeTest, CountsATaskThatFailsAndKeepsItsSiblings) {
    TaskScope scope("test");
    Event event;
    scope.spawn(loops.executor(0), wait_for(event));
    scope.spawn(loops.executor(0), fail());
    ASSERT_TRUE(testing::wait_until([&] { return scope.failures() == 1; }));
    EXPECT_TRUE(testing::wait_until([&] { return scope.running() == 1; }));
    event.set();
    EXPECT_TRUE(scope.join_blocking(never));
    EXPECT_EQ(scope.failures(), 1U);
}

TEST_F(TaskScopeTest, CountsTasksThatTheLoopAbandonsAsEnded) {
    TaskScope scope("test");
    Event event;
    scope.spawn(loops.executor(0), wait_for(event));
    scope.spawn(loops.executor(1), wait_for(event));
    loops.stop();
    EXPECT_EQ(scope.running(), 0U);
    EXPECT_TRUE(scope.join_blocking(never));
}

TEST_F(TaskScopeTest, KeepsTheSlotUntilTheLastSliceIsOver) {
    struct Connection {
        SpanSlot slot;
        telemetry::Span span;
    };
    for (int i = 0; i < 200; ++i) {
        TaskScope scope("test");
        Event event;
        std::atomic<int> counter{0};
        auto suspends = std::make_shared<Connection>();
        auto runs_through = std::make_shared<Connection>();
        std::weak_ptr<Connection> watched = suspends;
        suspends->slot.enter(&suspends->span);
        runs_through->slot.enter(&runs_through->span);
        const Executor first = loops.span_executor(0, suspends->slot);
        const Executor second = loops.span_executor(1, runs_through->slot);
        scope.spawn(first, wait_for(event), std::move(suspends));
        scope.spawn(second, count(&counter), std::move(runs_through));
        event.set();
        ASSERT_TRUE(scope.join_blocking(Deadline::in(testing::patience)));
        EXPECT_TRUE(watched.expired());
        EXPECT_EQ(counter, 1);
    }
}

TEST_F(TaskScopeTest, MaySpawnFromManyThreads) {
    TaskScope scope("test");
    std::atomic<int> counter{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < 2000; ++i)
                scope.spawn(loops.executor((t + i) % 2), count(&counter));
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_TRUE(scope.join_blocking(Deadline::in(testing::patience)));
    EXPECT_EQ(counter, 8000);
}

TEST(TaskScopeDeathTest, InsistsOnBeingJoined) {
    EXPECT_DEATH(
        {
            asio::io_context never_runs;
            Event event;
            TaskScope scope("test");
            scope.spawn(never_runs.get_executor(), wait_for(event));
        },
        "joined");
}

}  // namespace
}  // namespace loadstone::runtime
