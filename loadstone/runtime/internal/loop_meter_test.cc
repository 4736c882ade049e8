#include "loadstone/runtime/internal/loop_meter.h"

#include <gtest/gtest.h>

namespace loadstone::runtime::internal {
namespace {

using telemetry::tsc;

std::uint64_t ticks_of(std::uint64_t ns) {
    return static_cast<std::uint64_t>(static_cast<double>(ns) / telemetry::ns_per_tsc());
}

void spin(std::uint64_t ns) {
    const std::uint64_t until = tsc() + ticks_of(ns);
    while (tsc() < until) {
    }
}

void run_slice(LoopMeter& meter, std::uint64_t ns) {
    SpanSlot* const outer = meter.enter(nullptr);
    spin(ns);
    meter.leave(outer);
}

constexpr std::uint64_t ms = 1'000'000;
constexpr std::uint64_t second = 1'000 * ms;

TEST(LoopMeter, LoadIsThatOfTheLastWindowUntilTheNextIsLong) {
    LoopMeter meter;
    meter.attach(0, true);
    run_slice(meter, 20 * ms);
    const std::uint64_t now = tsc();
    EXPECT_GT(meter.load(now), 0.9);
    EXPECT_GT(meter.load(now), meter.load(now + ticks_of(20 * ms)));
    EXPECT_LT(meter.load(now + ticks_of(20 * ms)), 0.1);
}

TEST(LoopMeter, LoadIsNoneAfterATimeWithoutSlices) {
    LoopMeter meter;
    meter.attach(0, true);
    run_slice(meter, 20 * ms);
    run_slice(meter, 2 * ms);
    EXPECT_LT(meter.load(tsc() + ticks_of(3 * second)), 0.01);
}

TEST(LoopMeter, LoadCountsTheSliceThatRuns) {
    LoopMeter meter;
    meter.attach(0, true);
    SpanSlot* const outer = meter.enter(nullptr);
    const double load = meter.load(tsc() + ticks_of(second));
    meter.leave(outer);
    EXPECT_GT(load, 0.9);
}

}  // namespace
}  // namespace loadstone::runtime::internal
