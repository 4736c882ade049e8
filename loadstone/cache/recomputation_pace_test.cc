#include "loadstone/cache/internal/recomputation_pace.h"

#include <gtest/gtest.h>

namespace loadstone::cache::internal {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using Clock = RecomputationPace::Clock;

constexpr Clock::time_point start{std::chrono::hours(1)};

// How many of those that wait begin in a second, one at a time, each of which takes `took`.
int begun_in_a_second(RecomputationPace& pace, microseconds took, milliseconds waited) {
    int begun = 0;
    for (auto now = start; now < start + std::chrono::seconds(1); ++begun) {
        now = pace.next(now - waited, now) + took;
        pace.ended(took);
    }
    return begun;
}

TEST(RecomputationPace, MakesNoPauseBeforeAnyHasEnded) {
    RecomputationPace pace({});
    EXPECT_EQ(pace.next(start, start), start);
    EXPECT_EQ(pace.next(start, start), start);
}

TEST(RecomputationPace, GivesItsShareOfTheTime) {
    for (const auto& [share, begun] : {std::pair(1.0, 1'000), {0.5, 500}, {0.25, 250}}) {
        RecomputationPace pace({.share = share});
        EXPECT_NEAR(begun_in_a_second(pace, milliseconds(1), milliseconds(0)), begun, 2) << share;
    }
}

TEST(RecomputationPace, MakesNoPauseForWhoHasWaitedLongEnough) {
    RecomputationPace pace({.patience = milliseconds(50)});
    EXPECT_NEAR(begun_in_a_second(pace, milliseconds(1), milliseconds(49)), 500, 2);
    EXPECT_NEAR(begun_in_a_second(pace, milliseconds(1), milliseconds(50)), 1'000, 2);
    pace.ended(std::chrono::seconds(60));  // a pause ends with the patience, whatever was before
    pace.next(start, start);
    EXPECT_EQ(pace.next(start, start + milliseconds(1)), start + milliseconds(50));
}

TEST(RecomputationPace, OwesNothingForATimeInWhichNoneBegan) {
    RecomputationPace pace({});
    pace.ended(milliseconds(1));
    EXPECT_EQ(pace.next(start, start), start);
    const auto later = start + std::chrono::seconds(5);
    EXPECT_EQ(pace.next(later, later), later);
    EXPECT_EQ(pace.next(later, later), later + milliseconds(4));
}

}  // namespace
}  // namespace loadstone::cache::internal
