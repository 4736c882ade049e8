#include "loadstone/runtime/loops.h"

#include <gtest/gtest.h>

#include <atomic>
#include <semaphore>
#include <stdexcept>
#include <string>

#include "loadstone/runtime/testing.h"
#include "loadstone/telemetry/tsc.h"

namespace loadstone::runtime {
namespace {

LoopsOptions options(int threads, std::chrono::milliseconds blocked_after) {
    LoopsOptions made;
    made.threads = threads;
    made.blocked_after = blocked_after;
    return made;
}

Task<int> current_loop() { co_return Loops::current(); }
Task<void> sleep(Deadline deadline) { co_await sleep_until(deadline); }

TEST(Loops, RunEachTaskOnTheLoopOfItsExecutor) {
    telemetry::Registry registry;
    Loops loops(options(3, std::chrono::milliseconds(1000)), registry);
    loops.start();
    EXPECT_EQ(loops.size(), 3);
    EXPECT_EQ(Loops::current(), -1);
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(testing::run_blocking(loops.executor(i), current_loop()), i);
        SpanSlot slot;
        EXPECT_EQ(testing::run_blocking(loops.span_executor(i, slot), current_loop()), i);
    }
}

TEST(Loops, RunPostedWorkAndGoOnAfterItThrew) {
    telemetry::Registry registry;
    Loops loops(options(1, std::chrono::milliseconds(1000)), registry);
    loops.start();
    std::atomic<int> ran_on{-1};
    loops.post(0, [] { throw std::runtime_error("thrown on a loop, as the test wants"); });
    loops.post(0, [&] { ran_on = Loops::current(); });
    EXPECT_TRUE(testing::wait_until([&] { return ran_on == 0; }));
}

TEST(Loops, SleepUntilTheDeadline) {
    telemetry::Registry registry;
    Loops loops(options(1, std::chrono::milliseconds(1000)), registry);
    loops.start();
    const Deadline deadline = Deadline::in(std::chrono::milliseconds(3));
    testing::run_blocking(loops.executor(0), sleep(deadline));
    EXPECT_TRUE(deadline.passed());
}

struct Destroyed {
    explicit Destroyed(std::atomic<int>& of) : counter(of) {}
    ~Destroyed() { ++counter; }
    std::atomic<int>& counter;
};

Task<void> hold_until_the_end(std::atomic<int>& begun, std::atomic<int>& destroyed) {
    const Destroyed guard(destroyed);
    ++begun;
    co_await sleep_until(Deadline::unbounded());
}

TEST(Loops, AbandonWhatIsStillThereWhenTheyStop) {
    telemetry::Registry registry;
    Loops loops(options(2, std::chrono::milliseconds(1000)), registry);
    TaskScope scope("abandoned");
    std::atomic<int> begun{0}, destroyed{0};
    SpanSlot slot;
    telemetry::Span span;
    slot.enter(&span);
    scope.spawn(loops.executor(0), hold_until_the_end(begun, destroyed));
    scope.spawn(loops.span_executor(1, slot), hold_until_the_end(begun, destroyed));
    loops.start();
    ASSERT_TRUE(testing::wait_until([&] { return begun == 2; }));
    loops.stop();
    EXPECT_EQ(destroyed, 2);
    loops.stop();
    loops.post(0, [] {});  // never runs, and is freed with the loops
}

TEST(Loops, MayBeDestroyedWithoutHavingStarted) {
    telemetry::Registry registry;
    std::atomic<int> begun{0}, destroyed{0};
    TaskScope scope("never begun");
    {
        Loops loops(options(1, std::chrono::milliseconds(1000)), registry);
        scope.spawn(loops.executor(0), hold_until_the_end(begun, destroyed));
    }
    EXPECT_EQ(begun, 0);
    EXPECT_EQ(scope.running(), 0U);
    EXPECT_EQ(registry.prometheus().find("loadstone_loop_cpu_share"), std::string::npos);
}

// Holds its loop, as a handler that calls something blocking does.
Task<void> block(std::atomic<bool>& blocks, std::binary_semaphore& until) {
    blocks = true;
    until.acquire();
    co_return;
}

struct BlockedLoop : ::testing::Test {
    telemetry::Registry registry;
    Loops loops{options(2, std::chrono::milliseconds(10)), registry};
    std::binary_semaphore until{0};
    std::atomic<bool> blocks{false};

    std::uint64_t reports(const char* loop) {
        return registry
            .counter("loadstone_loop_blocked_total", telemetry::metric_label("loop", loop), "")
            .value();
    }
    // A while in which the watchdog has looked several times.
    void let_the_watchdog_look() {
        const std::uint64_t from = telemetry::tsc();
        ASSERT_TRUE(testing::wait_until(
            [&] { return telemetry::tsc_to_ns(telemetry::tsc() - from) > 50'000'000; }));
    }
};

TEST_F(BlockedLoop, IsReportedOncePerBlockageWithTheNameOfTheSpan) {
    SpanSlot slot;
    telemetry::Span span;
    span.start(0, "GET /api/slow");
    slot.enter(&span);
    loops.start();
    ::testing::internal::CaptureStderr();
    TaskScope scope("blocker");
    scope.spawn(loops.span_executor(1, slot), block(blocks, until));
    const bool reported = testing::wait_until([&] { return reports("1") == 1; });
    let_the_watchdog_look();
    until.release();
    const bool joined = scope.join_blocking(Deadline::in(testing::patience));
    const std::string log = ::testing::internal::GetCapturedStderr();
    EXPECT_TRUE(reported && joined);
    EXPECT_EQ(reports("1"), 1U);
    EXPECT_EQ(reports("0"), 0U);
    EXPECT_NE(log.find("loop blocked"), std::string::npos) << log;
    EXPECT_NE(log.find("GET /api/slow"), std::string::npos) << log;

    scope.spawn(loops.span_executor(1, slot), block(blocks, until));
    EXPECT_TRUE(testing::wait_until([&] { return reports("1") == 2; }));
    until.release();
    EXPECT_TRUE(scope.join_blocking(Deadline::in(testing::patience)));
}

TEST_F(BlockedLoop, IsReportedForWorkWithoutASpan) {
    loops.start();
    loops.post(0, [this] { until.acquire(); });
    EXPECT_TRUE(testing::wait_until([&] { return reports("0") == 1; }));
    until.release();
}

TEST_F(BlockedLoop, IsNotReportedWhenItSleepsOrIdles) {
    loops.start();
    testing::run_blocking(loops.executor(0), sleep(Deadline::in(std::chrono::milliseconds(60))));
    EXPECT_EQ(reports("0"), 0U);
    EXPECT_EQ(reports("1"), 0U);
}

TEST_F(BlockedLoop, LowersTheShareOfCpuThatItsSlicesHad) {
    EXPECT_EQ(Loops::cpu_share(), 1.0);
    SpanSlot slot;
    loops.start();
    TaskScope scope("blocker");
    scope.spawn(loops.span_executor(0, slot), block(blocks, until));
    ASSERT_TRUE(testing::wait_until([&] { return blocks.load(); }));
    let_the_watchdog_look();
    until.release();
    ASSERT_TRUE(scope.join_blocking(Deadline::in(testing::patience)));
    struct Share {
        static Task<double> read() { co_return Loops::cpu_share(); }
    };
    const double share = testing::run_blocking(loops.executor(0), Share::read());
    EXPECT_GT(share, 0.0);
    EXPECT_LT(share, 0.9);  // 50 ms of the window had no CPU, and half of that is believed
}

}  // namespace
}  // namespace loadstone::runtime
