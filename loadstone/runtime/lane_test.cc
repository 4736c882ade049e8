#include "loadstone/runtime/lane.h"

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <memory>
#include <optional>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include "loadstone/base/error.h"
#include "loadstone/runtime/testing.h"
#include "loadstone/telemetry/thread_usage.h"

namespace loadstone::runtime {
namespace {

using telemetry::WaitKind;

// Holds a thread of a lane until it is let go.
struct Gate {
    std::binary_semaphore open{0};
    std::atomic<bool> reached{false};

    void hold() {
        reached = true;
        open.acquire();
    }
};

void burn(std::chrono::nanoseconds cpu) {
    const std::uint64_t end = telemetry::thread_cpu_ns() + static_cast<std::uint64_t>(cpu.count());
    while (telemetry::thread_cpu_ns() < end) {
    }
}

struct LaneTest : ::testing::Test {
    telemetry::Registry registry;
    Services services;
    Loops loops{LoopsOptions{2, std::chrono::milliseconds(1000)}, registry};

    void SetUp() override { loops.start(); }

    std::unique_ptr<Lane> lane(int threads, std::size_t queue_max) {
        LaneOptions options;
        options.name = "test";
        options.threads = threads;
        options.queue_max = queue_max;
        return std::make_unique<Lane>(options, registry);
    }
    Context context(Deadline deadline = Deadline::unbounded()) { return {services, deadline}; }
    std::uint64_t counted(const char* name) {
        return registry.counter(name, telemetry::metric_label("lane", "test"), "").value();
    }
    bool queued(double count) {
        return registry.prometheus().find(fmt::format("loadstone_lane_queued{{lane=\"test\"}} {}",
                                                      count)) != std::string::npos;
    }
};

Task<int> twice(Lane& lane, Context& context, int number) {
    auto work = [number] { return 2 * number; };
    co_return co_await lane.run(context, work);
}
Task<void> mark(Lane& lane, Context& context, std::atomic<bool>* ran) {
    auto work = [ran] { *ran = true; };
    co_await lane.run(context, work);
}
Task<void> throw_in(Lane& lane, Context& context) {
    auto work = [] { throw Error(Errc::not_found, "out of the lane"); };
    co_await lane.run(context, work);
}
Task<void> hold(Lane& lane, Context& context, Gate& gate) {
    auto work = [&gate] { gate.hold(); };
    co_await lane.run(context, work);
}
// The code of the Error that the task ends with.
Task<void> keep_error(Task<void> task, std::optional<Error>* error) {
    try {
        co_await std::move(task);
    } catch (const Error& caught) {
        *error = caught;
    }
}

TEST_F(LaneTest, GivesTheResultOnTheCallersLoop) {
    auto cpu = lane(2, 8);
    Context one = context();
    EXPECT_EQ(testing::run_blocking(loops.executor(0), twice(*cpu, one, 21)), 42);
    std::atomic<bool> ran{false};
    testing::run_blocking(loops.executor(1), mark(*cpu, one, &ran));
    EXPECT_TRUE(ran);
}

TEST_F(LaneTest, WhatIsHeldUpInTheBackgroundHoldsUpNoMoreThanItself) {
    LaneOptions options;
    options.name = "test";
    options.in_background = true;
    options.patience = std::chrono::milliseconds(20);
    Lane cpu(options, registry);
    Gate gate;  // as a core that the loops never leave
    Context first = context(), second = context();
    TaskScope scope("test");
    scope.spawn(loops.executor(0), hold(cpu, first, gate));
    ASSERT_TRUE(testing::wait_until([&] { return gate.reached.load(); }));
    EXPECT_EQ(testing::run_blocking(loops.executor(0), twice(cpu, second, 21)), 42);
    EXPECT_EQ(counted("loadstone_lane_unyielding_total"), 1U);
    gate.open.release();
    EXPECT_TRUE(scope.join_blocking(Deadline::in(std::chrono::seconds(10))));
}

TEST_F(LaneTest, YieldsUntilItIsHeldUp) {
    LaneOptions options;
    options.name = "test";
    options.in_background = true;
    options.patience = std::chrono::minutes(1);
    Lane cpu(options, registry);
    Context one = context();
    for (int i = 0; i < 50; ++i) {
        auto policy = [] { return ::sched_getscheduler(0); };
        EXPECT_EQ(testing::run_blocking(loops.executor(0), cpu.run(one, policy)), SCHED_IDLE);
    }
    EXPECT_EQ(counted("loadstone_lane_unyielding_total"), 0U);
}

TEST_F(LaneTest, BringsTheExceptionBackAsItIs) {
    auto cpu = lane(1, 8);
    Context one = context();
    try {
        testing::run_blocking(loops.executor(0), throw_in(*cpu, one));
        FAIL() << "it did not throw";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Errc::not_found);
        EXPECT_EQ(error.message(), "out of the lane");
    }
}

TEST_F(LaneTest, RejectsWhenTheQueueIsFull) {
    auto cpu = lane(1, 1);
    Gate gate;
    Context first = context(), second = context(), third = context();
    std::atomic<bool> ran{false};
    TaskScope scope("test");
    scope.spawn(loops.executor(0), hold(*cpu, first, gate));
    ASSERT_TRUE(testing::wait_until([&] { return gate.reached.load(); }));
    scope.spawn(loops.executor(0), mark(*cpu, second, &ran));
    ASSERT_TRUE(testing::wait_until([&] { return queued(1); }));
    EXPECT_FALSE(cpu->post([] {}));
    try {
        testing::run_blocking(loops.executor(0), twice(*cpu, third, 1));
        ADD_FAILURE() << "it did not throw";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Errc::unavailable);
        EXPECT_TRUE(error.retry_after().has_value());
        EXPECT_EQ(error.message(),
                  "the queue of lane test is full: 1 of 1 waiting, 1 of 1 threads busy");
    }
    EXPECT_EQ(counted("loadstone_lane_rejected_total"), 2U);
    gate.open.release();
    EXPECT_TRUE(scope.join_blocking(Deadline::in(testing::patience)));
    EXPECT_TRUE(ran);
}

TEST_F(LaneTest, EndsAWaitInTheQueueAtTheDeadline) {
    auto cpu = lane(1, 8);
    Gate gate;
    Context first = context();
    Context second = context(Deadline::in(std::chrono::milliseconds(2)));
    std::atomic<bool> ran{false};
    std::optional<Error> error;
    TaskScope scope("test");
    scope.spawn(loops.executor(0), hold(*cpu, first, gate));
    ASSERT_TRUE(testing::wait_until([&] { return gate.reached.load(); }));
    testing::run_blocking(loops.executor(0), keep_error(mark(*cpu, second, &ran), &error));
    ASSERT_TRUE(error.has_value());
    EXPECT_EQ(error->code(), Errc::deadline_exceeded);
    gate.open.release();
    EXPECT_TRUE(scope.join_blocking(Deadline::in(testing::patience)));
    EXPECT_FALSE(ran);
    EXPECT_TRUE(queued(0));
}

TEST_F(LaneTest, WaitsForWorkThatHasBegunBeyondTheDeadline) {
    auto cpu = lane(1, 8);
    Gate gate;
    Context late = context(Deadline::in(std::chrono::milliseconds(5)));
    std::optional<Error> error;
    TaskScope scope("test");
    scope.spawn(loops.executor(0), keep_error(hold(*cpu, late, gate), &error));
    // On a slow machine the deadline can pass before the work begins: then it is refused.
    ASSERT_TRUE(testing::wait_until([&] { return gate.reached || scope.running() == 0; }));
    ASSERT_TRUE(testing::wait_until([&] { return late.deadline().passed(); }));
    if (gate.reached) {
        EXPECT_FALSE(scope.join_blocking(Deadline::in(std::chrono::milliseconds(5))));
    }
    gate.open.release();
    EXPECT_TRUE(scope.join_blocking(Deadline::in(testing::patience)));
    EXPECT_EQ(error.has_value(), !gate.reached);
}

TEST_F(LaneTest, DoesNotRunWhatWasCancelledInTheQueue) {
    auto cpu = lane(1, 8);
    Gate gate;
    Context first = context(), second = context();
    std::atomic<bool> ran{false};
    std::optional<Error> error;
    TaskScope scope("test");
    scope.spawn(loops.executor(0), hold(*cpu, first, gate));
    ASSERT_TRUE(testing::wait_until([&] { return gate.reached.load(); }));
    scope.spawn(loops.executor(0), keep_error(mark(*cpu, second, &ran), &error));
    ASSERT_TRUE(testing::wait_until([&] { return queued(1); }));
    second.cancel();
    gate.open.release();
    EXPECT_TRUE(scope.join_blocking(Deadline::in(testing::patience)));
    ASSERT_TRUE(error.has_value());
    EXPECT_EQ(error->code(), Errc::cancelled);
    EXPECT_FALSE(ran);
}

TEST_F(LaneTest, AbandonsQueuedWorkWhenItIsDestroyed) {
    auto cpu = lane(1, 8);
    Gate gate;
    Context first = context(), second = context();
    std::atomic<bool> ran{false}, posted{false};
    std::optional<Error> error;
    TaskScope scope("test");
    scope.spawn(loops.executor(0), hold(*cpu, first, gate));
    ASSERT_TRUE(testing::wait_until([&] { return gate.reached.load(); }));
    scope.spawn(loops.executor(1), keep_error(mark(*cpu, second, &ran), &error));
    ASSERT_TRUE(testing::wait_until([&] { return queued(1); }));
    EXPECT_TRUE(cpu->post([&] { posted = true; }));
    std::thread destroyer([&] { cpu.reset(); });
    // The queued task is told before the running work has ended.
    ASSERT_TRUE(testing::wait_until([&] { return scope.running() == 1; }));
    gate.open.release();
    destroyer.join();
    EXPECT_TRUE(scope.join_blocking(Deadline::in(testing::patience)));
    ASSERT_TRUE(error.has_value());
    EXPECT_EQ(error->code(), Errc::cancelled);
    EXPECT_FALSE(ran);
    EXPECT_FALSE(posted);
}

TEST_F(LaneTest, IsWaitedForByALoopThatStopsWhileWorkRuns) {
    auto cpu = lane(1, 8);
    Gate gate;
    Context first = context(), second = context();
    std::atomic<bool> ran{false};
    TaskScope scope("test");
    scope.spawn(loops.executor(0), hold(*cpu, first, gate));
    ASSERT_TRUE(testing::wait_until([&] { return gate.reached.load(); }));
    scope.spawn(loops.executor(0), mark(*cpu, second, &ran));
    ASSERT_TRUE(testing::wait_until([&] { return queued(1); }));
    std::atomic<bool> stopped{false};
    std::thread stopper([&] {
        loops.stop();
        stopped = true;
    });
    // The queued one is gone with its loop or runs later; the running one holds the stop.
    EXPECT_FALSE(stopped);
    gate.open.release();
    stopper.join();
    EXPECT_EQ(scope.running(), 0U);
}

TEST_F(LaneTest, AccountsTheRunToTheSpanAndTheQueueAsRunQueue) {
    auto cpu = lane(1, 8);
    Gate gate;
    Context first = context(), second = context();
    TaskScope scope("test");
    scope.spawn(loops.executor(0), hold(*cpu, first, gate));
    ASSERT_TRUE(testing::wait_until([&] { return gate.reached.load(); }));
    struct Work {
        static Task<void> burn_3ms(Lane& on, Context& of) {
            auto work = [] {
                const std::vector<char> memory(100'000);
                const void* volatile used = memory.data();  // or the compiler leaves it out
                static_cast<void>(used);
                burn(std::chrono::milliseconds(3));
            };
            co_await on.run(of, work);
        }
    };
    const std::uint64_t began = telemetry::tsc();
    scope.spawn(loops.executor(0), Work::burn_3ms(*cpu, second));
    ASSERT_TRUE(testing::wait_until([&] { return queued(1); }));
    const std::uint64_t held_from = telemetry::tsc();
    ASSERT_TRUE(testing::wait_until(
        [&] { return telemetry::tsc_to_ns(telemetry::tsc() - held_from) > 2'000'000; }));
    gate.open.release();
    ASSERT_TRUE(scope.join_blocking(Deadline::in(testing::patience)));
    const std::uint64_t elapsed_ns = telemetry::tsc_to_ns(telemetry::tsc() - began);
    const telemetry::Span& span = second.span();
    const std::uint64_t cpu_ns = telemetry::tsc_to_ns(span.cpu_tsc);
    const std::uint64_t queue_ns = span.wait_ns[static_cast<std::size_t>(WaitKind::run_queue)];
    EXPECT_GE(cpu_ns, 2'990'000U);
    EXPECT_EQ(span.lane_tsc, span.cpu_tsc) << "nothing of it on the loop";
    EXPECT_GE(queue_ns, 2'000'000U);
    EXPECT_LE(cpu_ns + queue_ns, elapsed_ns + elapsed_ns / 20);
    if (telemetry::allocations_are_counted) {
        EXPECT_GE(span.allocated_bytes, 100'000U);
    }
}

TEST_F(LaneTest, RunsPostedWorkAndOutlivesItsExceptions) {
    auto cpu = lane(1, 8);
    std::atomic<bool> ran{false};
    EXPECT_TRUE(cpu->post([] { throw Error(Errc::internal, "posted work, as the test wants"); }));
    EXPECT_TRUE(cpu->post([&] { ran = true; }));
    EXPECT_TRUE(testing::wait_until([&] { return ran.load(); }));
}

struct LaneLoad {
    std::atomic<std::uint64_t> done{0}, late{0}, full{0}, ran{0};
};

Task<void> load(Lane& lane, const Services& services, LaneLoad& counts, int rounds) {
    for (int i = 0; i < rounds; ++i) {
        Context context(services, Deadline::in(std::chrono::microseconds(i * 7 % 200)));
        auto work = [&counts] { ++counts.ran; };
        try {
            co_await lane.run(context, work);
            ++counts.done;
        } catch (const Error& error) {
            ++(error.code() == Errc::unavailable ? counts.full : counts.late);
        }
    }
}

TEST_F(LaneTest, RunsEachPieceOnceOrRefusesItUnderRaces) {
    auto cpu = lane(2, 6);
    LaneLoad counts;
    TaskScope scope("load");
    for (int i = 0; i < 8; ++i) {
        scope.spawn(loops.executor(i % 2), load(*cpu, services, counts, 2000));
    }
    ASSERT_TRUE(scope.join_blocking(Deadline::in(testing::patience)));
    EXPECT_EQ(counts.done + counts.late + counts.full, 16'000U);
    EXPECT_EQ(counts.done, counts.ran);
}

}  // namespace
}  // namespace loadstone::runtime
