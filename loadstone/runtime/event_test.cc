#include "loadstone/runtime/event.h"

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <optional>
#include <vector>

#include "loadstone/runtime/testing.h"

namespace loadstone::runtime {
namespace {

namespace asio = boost::asio;

const Deadline never = Deadline::unbounded();

Task<void> wait_into(Event& event, Deadline deadline, std::optional<bool>* result) {
    *result = co_await event.wait(deadline);
}

struct EventTest : ::testing::Test {
    asio::io_context io;

    void spawn(Task<void> task) { asio::co_spawn(io, std::move(task), asio::detached); }
    void run_ready() {
        io.restart();
        io.poll();
    }
};

TEST_F(EventTest, IsSetUntilReset) {
    Event event;
    EXPECT_FALSE(event.is_set());
    event.set();
    EXPECT_TRUE(event.is_set());
    std::optional<bool> result;
    spawn(wait_into(event, never, &result));
    run_ready();
    EXPECT_EQ(result, true);
    event.reset();
    EXPECT_FALSE(event.is_set());
}

TEST_F(EventTest, WakesAllWhoWait) {
    Event event;
    std::vector<std::optional<bool>> results(5);
    for (auto& result : results) spawn(wait_into(event, never, &result));
    run_ready();
    for (const auto& result : results) EXPECT_EQ(result, std::nullopt);
    event.set();
    run_ready();
    for (const auto& result : results) EXPECT_EQ(result, true);
}

TEST_F(EventTest, SaysSoWhenTheDeadlinePassedFirst) {
    Event event;
    std::optional<bool> result;
    spawn(wait_into(event, Deadline::in(std::chrono::milliseconds(1)), &result));
    ASSERT_TRUE(testing::wait_until([&] {
        run_ready();
        return result.has_value();
    }));
    EXPECT_EQ(result, false);
    event.set();
    run_ready();
}

TEST_F(EventTest, IsSeenByAWaiterThoughItWasResetBeforeTheWaiterRan) {
    Event event;
    std::optional<bool> result;
    spawn(wait_into(event, never, &result));
    run_ready();
    event.set();
    event.reset();
    run_ready();
    EXPECT_EQ(result, true);
}

TEST_F(EventTest, OutlivesOrPrecedesTheLoopOfItsWaiters) {
    std::optional<bool> first, second;
    Event outlives;
    {
        asio::io_context short_lived;
        asio::co_spawn(short_lived, wait_into(outlives, never, &first), asio::detached);
        short_lived.poll();
    }
    outlives.set();
    auto precedes = std::make_unique<Event>();
    spawn(wait_into(*precedes, never, &second));
    run_ready();
    precedes.reset();
    EXPECT_EQ(first, std::nullopt);
    EXPECT_EQ(second, std::nullopt);
}

Task<void> play(Event& mine, Event& theirs, int rounds, std::atomic<int>* played) {
    for (int i = 0; i < rounds; ++i) {
        const bool came = co_await mine.wait(never);
        if (!came) co_return;
        mine.reset();
        ++*played;
        theirs.set();
    }
}

TEST(Event, LosesNoWakeUpBetweenLoops) {
    telemetry::Registry registry;
    LoopsOptions options;
    options.threads = 2;
    Loops loops(options, registry);
    Event ping, pong;
    std::atomic<int> played{0};
    constexpr int rounds = 20'000;
    TaskScope scope("ping pong");
    scope.spawn(loops.executor(0), play(ping, pong, rounds, &played));
    scope.spawn(loops.executor(1), play(pong, ping, rounds, &played));
    loops.start();
    ping.set();
    ASSERT_TRUE(scope.join_blocking(Deadline::in(testing::patience)));
    EXPECT_EQ(played, 2 * rounds);
}

Task<void> wait_often(Event& event, std::atomic<int>* ended) {
    for (int i = 0; i < 2000; ++i) {
        const Deadline soon = Deadline::in(std::chrono::microseconds(i % 50));
        co_await event.wait(soon);
        ++*ended;
    }
}

TEST(Event, MayBeSetWhileDeadlinesPass) {
    telemetry::Registry registry;
    LoopsOptions options;
    options.threads = 3;
    Loops loops(options, registry);
    Event event;
    std::atomic<int> ended{0};
    TaskScope scope("waiters");
    for (int i = 0; i < 9; ++i) scope.spawn(loops.executor(i % 3), wait_often(event, &ended));
    loops.start();
    while (scope.running() > 0) {
        event.set();
        event.reset();
    }
    EXPECT_TRUE(scope.join_blocking(Deadline::in(testing::patience)));
    EXPECT_EQ(ended, 9 * 2000);
}

}  // namespace
}  // namespace loadstone::runtime
