#include "loadstone/runtime/internal/span_executor.h"

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <stdexcept>
#include <vector>

#include "loadstone/runtime/event.h"
#include "loadstone/runtime/testing.h"

namespace loadstone::runtime {
namespace {

namespace asio = boost::asio;
using telemetry::Span;
using telemetry::tsc;
using telemetry::tsc_to_ns;

void spin(std::uint64_t ns) {
    const std::uint64_t from = tsc();
    while (tsc_to_ns(tsc() - from) < ns) {
    }
}

std::uint64_t cpu_ns(const Span& span) { return tsc_to_ns(span.cpu_tsc); }

constexpr std::uint64_t ms = 1'000'000;

struct SpanExecutorTest : ::testing::Test {
    telemetry::Registry registry;
    Loops loops{LoopsOptions{2, std::chrono::milliseconds(1000)}, registry};
    SpanSlot slot_a, slot_b;
    Span a, b;
    Executor on_a = loops.span_executor(0, slot_a);
    Executor on_b = loops.span_executor(0, slot_b);

    void SetUp() override {
        slot_a.enter(&a);
        slot_b.enter(&b);
        loops.start();
    }
};

Task<void> spin_and_sleep(int times, std::uint64_t ns) {
    for (int i = 0; i < times; ++i) {
        spin(ns);
        co_await sleep_until(Deadline::in(std::chrono::milliseconds(1)));
    }
}

TEST_F(SpanExecutorTest, ChargesEachSliceToItsSpanAndNoneTwice) {
    TaskScope scope("test");
    const std::uint64_t began = tsc();
    scope.spawn(on_a, spin_and_sleep(4, ms));
    scope.spawn(on_b, spin_and_sleep(4, 3 * ms));
    ASSERT_TRUE(scope.join_blocking(Deadline::in(testing::patience)));
    const std::uint64_t elapsed = tsc_to_ns(tsc() - began);
    EXPECT_GE(cpu_ns(a), 4 * ms);
    EXPECT_GE(cpu_ns(b), 12 * ms);
    EXPECT_LE(cpu_ns(a) + cpu_ns(b), elapsed);
    EXPECT_GE(a.slices, 5U);  // the start and four returns
    EXPECT_LE(a.slices, 8U);
}

Task<void> dispatch_inside(const Executor& other, std::uint64_t outer_ns, std::uint64_t inner_ns) {
    spin(outer_ns);
    asio::dispatch(other, [inner_ns] { spin(inner_ns); });
    spin(outer_ns);
    co_return;
}

TEST_F(SpanExecutorTest, ChargesANestedSliceToItsOwnSpan) {
    const std::uint64_t began = tsc();
    testing::run_blocking(on_a, dispatch_inside(on_b, ms, 4 * ms));
    const std::uint64_t elapsed = tsc_to_ns(tsc() - began);
    EXPECT_GE(cpu_ns(a), 2 * ms);
    EXPECT_GE(cpu_ns(b), 4 * ms);
    EXPECT_LE(cpu_ns(a) + cpu_ns(b), elapsed);
    EXPECT_EQ(b.slices, 1U);
}

TEST_F(SpanExecutorTest, CountsANestedSliceOfTheSameSlotAsPartOfTheOuterOne) {
    std::atomic<bool> done{false};
    asio::post(on_a, [&] {
        asio::dispatch(on_a, [] { spin(ms); });
        asio::post(loops.executor(0), [&] { done = true; });  // after this slice
    });
    ASSERT_TRUE(testing::wait_until([&] { return done.load(); }));
    EXPECT_EQ(a.slices, 1U);
    EXPECT_GE(cpu_ns(a), ms);
}

Task<void> switch_spans(SpanSlot& slot, Span& second, Span& copy_of_first, Span& first) {
    spin(ms);
    slot.enter(&second);
    copy_of_first = first;
    spin(2 * ms);
    settle_slice();
    slot.enter(nullptr);
    spin(4 * ms);
    co_return;
}

TEST_F(SpanExecutorTest, SwitchesTheAccountInsideASlice) {
    Span second, at_the_switch;
    const std::uint64_t began = tsc();
    testing::run_blocking(on_a, switch_spans(slot_a, second, at_the_switch, a));
    const std::uint64_t elapsed = tsc_to_ns(tsc() - began);
    EXPECT_GE(cpu_ns(a), ms);
    EXPECT_EQ(a.cpu_tsc, at_the_switch.cpu_tsc) << "nothing more after the switch";
    EXPECT_GE(cpu_ns(second), 2 * ms);
    EXPECT_LE(cpu_ns(a) + cpu_ns(second), elapsed - 4 * ms) << "the end belongs to nobody";
}

Task<void> allocate(std::size_t bytes, Span& span, std::uint64_t* settled) {
    const std::vector<char> memory(bytes);
    settle_slice();
    *settled = span.allocated_bytes;
    co_return;
}

TEST_F(SpanExecutorTest, CountsAllocationsOfItsSlices) {
    if (!telemetry::allocations_are_counted) return;
    std::uint64_t settled = 0;
    testing::run_blocking(on_a, allocate(1'000'000, a, &settled));
    EXPECT_GE(settled, 1'000'000U);
    EXPECT_LT(a.allocated_bytes, 1'100'000U);
    EXPECT_GE(a.allocations, 1U);
    EXPECT_LT(b.allocated_bytes, 1000U);
}

TEST_F(SpanExecutorTest, RestoresTheOuterSliceWhenANestedOneThrows) {
    std::atomic<bool> done{false};
    asio::post(on_a, [&] {
        try {
            const SliceScope nested(&slot_b);
            throw std::runtime_error("inside");
        } catch (const std::runtime_error&) {
        }
        spin(ms);
        asio::post(loops.executor(0), [&] { done = true; });
    });
    ASSERT_TRUE(testing::wait_until([&] { return done.load(); }));
    EXPECT_GE(cpu_ns(a), ms);
    EXPECT_LT(cpu_ns(b), ms);
}

Task<void> wait_for(Event& event, Span& span, std::uint64_t ns) {
    co_await event.wait(Deadline::unbounded());
    spin(ns);
    settle_slice();
    EXPECT_GE(cpu_ns(span), ns);
}

TEST_F(SpanExecutorTest, ChargesWhatRunsAfterAnotherThreadWokeIt) {
    Event event;
    TaskScope scope("test");
    scope.spawn(on_a, wait_for(event, a, 2 * ms));
    loops.post(1, [&] { event.set(); });
    ASSERT_TRUE(scope.join_blocking(Deadline::in(testing::patience)));
    EXPECT_GE(cpu_ns(a), 2 * ms);
}

TEST_F(SpanExecutorTest, FitsTheSmallBufferOfTheErasedExecutor) {
    if (!telemetry::allocations_are_counted) return;
    const std::uint64_t before = telemetry::thread_allocations().count;
    const Executor copy = on_a;
    const Executor never = asio::require(copy, asio::execution::blocking.never);
    const Executor tracked = asio::prefer(copy, asio::execution::outstanding_work.tracked);
    EXPECT_EQ(telemetry::thread_allocations().count, before);
    EXPECT_EQ(copy, on_a);
    EXPECT_NE(copy, on_b);
    EXPECT_NE(copy, loops.executor(0));
    EXPECT_NE(never, tracked);
}

TEST_F(SpanExecutorTest, TellsItsLoopFromItself) {
    EXPECT_EQ(Executor(internal::loop_executor(on_a)), loops.executor(0));
    EXPECT_EQ(Executor(internal::loop_executor(loops.executor(1))), loops.executor(1));
}

}  // namespace
}  // namespace loadstone::runtime
