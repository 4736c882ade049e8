#include "loadstone/cache/internal/recomputations.h"

#include <gtest/gtest.h>

#include "loadstone/base/error.h"
#include "loadstone/runtime/loop_load.h"
#include "loadstone/runtime/testing.h"

namespace loadstone::cache::internal {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

void spin(milliseconds time) {
    for (const auto end = Clock::now() + time; Clock::now() < end;) {
    }
}

Task<void> make_loop_busy() {
    while (runtime::loop_load() < 0.9) {
        spin(milliseconds(2));
        co_await runtime::yield();
    }
}

struct Leaving {
    runtime::SpanSlot& slot;
    ~Leaving() { slot.enter(nullptr); }
};

class RecomputationsTest : public ::testing::Test {
protected:
    RecomputationsTest() { loops_.start(); }

    void run(Task<void> task) {
        runtime::testing::run_blocking(loops_.span_executor(0, slot_), std::move(task));
    }
    Task<void> compute(Recomputations& all, milliseconds may_wait, milliseconds work) {
        Context context(services_, Deadline::in(may_wait));
        slot_.enter(&context.span());
        const Leaving leaving{slot_};
        co_await all.enter(context);
        const Recomputations::Place place(all, context);
        EXPECT_EQ(all.under_way(), 1U);
        spin(work);
    }
    // In one go, so that the loop stays busy: the first two tell what one costs.
    Task<void> compute_three(Recomputations& all, milliseconds patience_of_last) {
        co_await make_loop_busy();
        co_await compute(all, patience, milliseconds(2));
        co_await compute(all, patience, milliseconds(2));
        co_await compute(all, patience_of_last, milliseconds(2));
    }
    std::uint64_t pauses() {
        return registry_.counter("loadstone_cache_pauses_total", "", "").value();
    }

    static constexpr milliseconds patience{10'000};
    telemetry::Registry registry_;
    runtime::Services services_;
    runtime::SpanSlot slot_;
    runtime::Loops loops_{{}, registry_};
};

TEST_F(RecomputationsTest, PauseWhereRequestsWantTheLoop) {
    Recomputations all({.max = 1, .percent = 1}, registry_);
    run(compute_three(all, patience));
    EXPECT_EQ(pauses(), 1U);
    EXPECT_EQ(all.under_way(), 0U);
}

TEST_F(RecomputationsTest, GiveThePlaceToAnotherIfTheDeadlinePassesInThePause) {
    Recomputations all({.max = 1, .percent = 1}, registry_);
    try {
        run(compute_three(all, milliseconds(5)));
        ADD_FAILURE() << "it did not wait";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Errc::deadline_exceeded);
    }
    EXPECT_EQ(all.under_way(), 0U);
    run(compute(all, patience, milliseconds(0)));
}

TEST_F(RecomputationsTest, DoNotPauseOnALoopThatHasTime) {
    Recomputations all({.max = 1, .percent = 1}, registry_);
    for (int i = 0; i < 100; ++i) run(compute(all, patience, milliseconds(0)));
    EXPECT_EQ(pauses(), 0U);
}

TEST_F(RecomputationsTest, DoNotPauseIfTheyMayHaveAllOfIt) {
    Recomputations all({.max = 1, .percent = 100}, registry_);
    run(compute_three(all, patience));
    EXPECT_EQ(pauses(), 0U);
}

}  // namespace
}  // namespace loadstone::cache::internal
