#include "loadstone/cache/internal/recomputations.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "loadstone/base/error.h"
#include "loadstone/runtime/loop_load.h"
#include "loadstone/runtime/task_scope.h"
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
    Task<void> compute_for(Context& context, Recomputations& all, milliseconds work) {
        slot_.enter(&context.span());
        const Leaving leaving{slot_};
        co_await all.enter(context, Clock::now());
        const Recomputations::Place place(all, context);
        EXPECT_EQ(all.under_way(), 1U);
        spin(work);
    }
    Task<void> compute(Recomputations& all, milliseconds may_take, milliseconds work) {
        Context context(services_, Deadline::in(may_take));
        co_await compute_for(context, all, work);
    }
    // In one go, so that the loop stays busy: the first two tell what one costs.
    Task<void> compute_two(Recomputations& all, milliseconds work) {
        co_await make_loop_busy();
        co_await compute(all, patience, work);
        co_await compute(all, patience, work);
    }
    Task<void> compute_three(Recomputations& all, milliseconds last_may_take,
                             milliseconds work = milliseconds(2)) {
        co_await compute_two(all, work);
        co_await compute(all, last_may_take, milliseconds(0));
    }
    // The third, whose turn is 5 s later.
    Task<void> pause_until_cancelled(Recomputations& all, Context& context) {
        co_await compute_two(all, milliseconds(50));
        try {
            co_await compute_for(context, all, milliseconds(0));
            ADD_FAILURE() << "it was not cancelled";
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Errc::cancelled);
        }
    }
    Task<void> see_whether_it_gives_way(const Recomputations& all, bool& when_idle,
                                        bool& when_busy) {
        when_idle = all.gives_way();
        co_await make_loop_busy();
        when_busy = all.gives_way();
    }
    Task<void> compute_while_it_pauses(Recomputations& all, const runtime::TaskScope& scope) {
        Context context(services_, Deadline::in(patience));
        co_await all.enter(context, Clock::now());
        const Recomputations::Place place(all, context);
        EXPECT_EQ(scope.running(), 1U) << "it pauses no more";
    }
    Task<void> compute_one_in_another(Recomputations& all) {
        Context context(services_, Deadline::in(patience));
        co_await all.enter(context, Clock::now());
        const Recomputations::Place place(all, context);
        co_await compute(all, patience, milliseconds(0));
    }
    // Of some that are ready at once, the most that go on between two slices of another task.
    Task<void> count_in_a_turn(Recomputations& all, int count, int& most) {
        runtime::TaskScope scope("test");
        int gone = 0;
        for (int i = 0; i < count; ++i)
            scope.spawn(loops_.executor(0), go_on(all, milliseconds(0), [&gone] { ++gone; }));
        while (scope.running() > 0) {
            const int before = gone;
            co_await runtime::yield();
            most = std::max(most, gone - before);
        }
        EXPECT_EQ(gone, count);
        co_await scope.join(Deadline::in(patience));
    }
    Task<void> go_on(Recomputations& all, milliseconds has_waited, std::function<void()> then) {
        Context context(services_, Deadline::in(patience));
        co_await all.give_way(context, Clock::now() - has_waited);
        then();
    }
    static Task<void> say(std::string& order, char name) {
        order += name;
        co_return;
    }
    // One that has just come, one that has waited for long, and a request.
    Task<void> go_on_beside_a_request(Recomputations& all, std::string& order) {
        runtime::TaskScope scope("test");
        scope.spawn(loops_.executor(0), go_on(all, milliseconds(0), [&order] { order += 'n'; }));
        scope.spawn(loops_.executor(0), go_on(all, patience, [&order] { order += 'o'; }));
        scope.spawn(loops_.executor(0), say(order, 'r'));
        co_await scope.join(Deadline::in(patience));
    }
    std::uint64_t pauses() {
        return registry_.counter("loadstone_cache_pauses_total", "", "").value();
    }

    static constexpr milliseconds patience{10'000};
    telemetry::Registry registry_;
    runtime::Services services_;
    runtime::SpanSlot slot_;
    runtime::Loops loops_{{.threads = 2}, registry_};
};

TEST_F(RecomputationsTest, PauseWhereRequestsWantTheLoop) {
    Recomputations all({.max = 1, .percent = 1}, registry_);
    run(compute_three(all, patience));
    EXPECT_EQ(pauses(), 1U);
    EXPECT_EQ(all.under_way(), 0U);
}

TEST_F(RecomputationsTest, ReadInPiecesWhereRequestsWantTheLoop) {
    for (const int percent : {25, 100}) {
        const Recomputations all({.percent = percent}, registry_);
        bool when_idle = true;
        bool when_busy = false;
        run(see_whether_it_gives_way(all, when_idle, when_busy));
        EXPECT_EQ(when_busy, percent < 100);
        if (percent == 25) EXPECT_FALSE(when_idle);
    }
}

TEST_F(RecomputationsTest, PauseForLessThanTheirDeadline) {
    Recomputations all({.max = 1, .percent = 1, .patience = patience}, registry_);
    run(compute_three(all, milliseconds(1'600), milliseconds(20)));  // its turn is after 2 s
    EXPECT_EQ(pauses(), 1U);
}

TEST_F(RecomputationsTest, HoldNoPlaceInAPause) {
    Recomputations all({.max = 1, .percent = 1, .patience = patience}, registry_);
    Context context(services_, Deadline::in(10 * patience));
    runtime::TaskScope scope("test");
    scope.spawn(loops_.span_executor(0, slot_), pause_until_cancelled(all, context));
    EXPECT_TRUE(runtime::testing::wait_until([&] { return pauses() == 1; }));
    runtime::testing::run_blocking(loops_.executor(1), compute_while_it_pauses(all, scope));
    const auto cancelled_at = Clock::now();
    context.cancel();
    EXPECT_TRUE(scope.join_blocking(Deadline::in(patience)));
    EXPECT_LT(Clock::now() - cancelled_at, milliseconds(2'000));
    EXPECT_EQ(all.under_way(), 0U);
}

TEST_F(RecomputationsTest, AreRefusedIfTooManyWait) {
    Recomputations all({.max = 1, .waiting_max = 0}, registry_);
    try {
        run(compute_one_in_another(all));
        ADD_FAILURE() << "it was not refused";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Errc::unavailable);
    }
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

TEST_F(RecomputationsTest, GoOnOneInEachTurnOfALoop) {
    Recomputations all({}, registry_);
    int most = 0;
    runtime::testing::run_blocking(loops_.executor(0), count_in_a_turn(all, 20, most));
    EXPECT_EQ(most, 1);
}

TEST_F(RecomputationsTest, GiveWayToRequestsUnlessTheyHaveWaitedForLong) {
    Recomputations all({.patience = patience}, registry_);
    std::string order;
    runtime::testing::run_blocking(loops_.executor(0), go_on_beside_a_request(all, order));
    EXPECT_EQ(order, "orn");
}

TEST_F(RecomputationsTest, GiveNoWayIfTheyMayHaveAllOfTheLoop) {
    Recomputations all({.percent = 100}, registry_);
    std::string order;
    runtime::testing::run_blocking(loops_.executor(0), go_on_beside_a_request(all, order));
    EXPECT_EQ(order, "nor");
}

}  // namespace
}  // namespace loadstone::cache::internal
