#include "loadstone/jobs/internal/alone.h"

#include <gtest/gtest.h>

namespace loadstone::jobs::internal {
namespace {

using std::chrono::milliseconds;
using Turn = Alone::Turn;

struct AloneTest : testing::Test {
    Alone alone;
    Alone::State state{.suspect_waits = true, .is_empty = false, .others_wait = true};
    Alone::Clock::time_point now{std::chrono::seconds(1'000)};

    Turn turn() { return alone.turn(state, now, 0); }
    void drain() {
        ASSERT_EQ(turn(), Turn::others);
        now += Alone::patience;
        ASSERT_EQ(turn(), Turn::nobody);
    }
};

TEST_F(AloneTest, WithoutASuspectAllIsAsEver) {
    state.suspect_waits = false;
    EXPECT_EQ(turn(), Turn::others);
    EXPECT_FALSE(alone.next_change(now));
}

TEST_F(AloneTest, AnEmptyProcessRunsASuspectAtOnceAndNothingBesideIt) {
    state.is_empty = true;
    ASSERT_EQ(turn(), Turn::suspect);
    alone.claimed(true, now);
    state.is_empty = false;
    for (int i = 0; i < 100; ++i, now += std::chrono::seconds(10)) EXPECT_EQ(turn(), Turn::nobody);
    EXPECT_FALSE(alone.next_change(now)) << "its end wakes";
}

TEST_F(AloneTest, OthersGoOnForAWhileAndThenTheProcessDrains) {
    ASSERT_EQ(turn(), Turn::others);
    EXPECT_EQ(alone.next_change(now), now + Alone::patience);
    now += Alone::patience - milliseconds(1);
    EXPECT_EQ(turn(), Turn::others);
    now += milliseconds(1);
    EXPECT_EQ(turn(), Turn::nobody);
    EXPECT_EQ(alone.next_change(now), now + Alone::drain_first);
    state.is_empty = true;
    EXPECT_EQ(turn(), Turn::suspect);
}

TEST_F(AloneTest, NotAllProcessesBeginToDrainTogether) {
    ASSERT_EQ(alone.turn(state, now, 0.5), Turn::others);
    EXPECT_EQ(alone.next_change(now), now + Alone::patience * 3 / 2);
}

TEST_F(AloneTest, WhatRunsForLongHoldsUpOthersNoLongerThanForADrain) {
    auto drained_for = Alone::drain_first;
    for (int i = 0; i < 10; ++i) {
        drain();
        now += drained_for - milliseconds(1);
        EXPECT_EQ(turn(), Turn::nobody);
        now += milliseconds(1);
        EXPECT_EQ(turn(), Turn::others) << "it gives up";
        now += Alone::rest_share * drained_for - milliseconds(1);
        EXPECT_EQ(turn(), Turn::others);
        now += milliseconds(1);
        drained_for = std::min(2 * drained_for, Alone::drain_max);
    }
    EXPECT_EQ(drained_for, Alone::drain_max);
}

TEST_F(AloneTest, AfterASuspectOthersHaveTheProcessForLonger) {
    drain();
    now += milliseconds(400);
    state.is_empty = true;
    ASSERT_EQ(turn(), Turn::suspect);
    alone.claimed(true, now);
    state.is_empty = false;
    now += milliseconds(600);
    EXPECT_EQ(turn(), Turn::nobody);
    state.is_empty = true;
    EXPECT_EQ(turn(), Turn::others) << "though another suspect waits";
    EXPECT_EQ(alone.next_change(now), now + milliseconds(3'000));
    now += milliseconds(2'999);
    EXPECT_EQ(turn(), Turn::others);
    now += milliseconds(1);
    EXPECT_EQ(turn(), Turn::suspect);
}

TEST_F(AloneTest, NobodyRestsWhereNothingElseWaits) {
    state.is_empty = true;
    ASSERT_EQ(turn(), Turn::suspect);
    alone.claimed(true, now);
    state.others_wait = false;
    EXPECT_EQ(turn(), Turn::suspect);
}

TEST_F(AloneTest, OneThatAnotherProcessRunsHoldsNobodyUp) {
    drain();
    state.is_empty = true;
    ASSERT_EQ(turn(), Turn::suspect);
    alone.claimed(false, now);
    EXPECT_EQ(turn(), Turn::others);
    EXPECT_EQ(alone.next_change(now), now + Alone::rest_min);
}

}  // namespace
}  // namespace loadstone::jobs::internal
