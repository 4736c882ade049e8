#include "loadstone/cache/internal/recomputation_pace.h"

#include <gtest/gtest.h>

namespace loadstone::cache::internal {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using Clock = RecomputationPace::Clock;

constexpr Clock::time_point start{std::chrono::hours(1)};
constexpr Clock::time_point some_day = start + std::chrono::hours(1);

// How many of those that wait begin in a second, one at a time, each of which takes `took`.
int begun_in_a_second(RecomputationPace& pace, microseconds took, milliseconds waited) {
    int begun = 0;
    for (auto now = start; now < start + std::chrono::seconds(1); ++begun) {
        now = pace.next(now - waited, some_day, now).begin + took;
        pace.ended(took);
    }
    return begun;
}

TEST(RecomputationPace, MakesNoPauseBeforeAnyHasEnded) {
    RecomputationPace pace({});
    EXPECT_EQ(pace.next(start, some_day, start).begin, start);
    EXPECT_EQ(pace.next(start, some_day, start).begin, start);
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
    pace.next(start, some_day, start);
    EXPECT_EQ(pace.next(start, some_day, start + milliseconds(1)).begin, start + milliseconds(50));
}

TEST(RecomputationPace, OwesNothingForATimeInWhichNoneBegan) {
    RecomputationPace pace({});
    pace.ended(milliseconds(1));
    EXPECT_EQ(pace.next(start, some_day, start).begin, start);
    const auto later = start + std::chrono::seconds(5);
    EXPECT_EQ(pace.next(later, some_day, later).begin, later);
    EXPECT_EQ(pace.next(later, some_day, later).begin, later + milliseconds(4));
}

TEST(RecomputationPace, LeavesThreeQuartersOfWhatIsLeftOfADeadline) {
    RecomputationPace pace({});
    pace.ended(milliseconds(60));
    pace.next(start, some_day, start);  // the next one 240 ms later
    const auto now = start + milliseconds(20);
    EXPECT_EQ(pace.next(now, now + milliseconds(200), now).begin, now + milliseconds(50));
    EXPECT_EQ(pace.next(now, now, now).begin, now);
    EXPECT_EQ(pace.next(now, now - milliseconds(1), now).begin, now);
    RecomputationPace idle({});
    EXPECT_EQ(idle.next(now, Clock::time_point::max(), now).begin, now);
}

TEST(RecomputationPace, IsNoFasterForThoseThatDidNotPauseForLong) {
    RecomputationPace pace({.patience = milliseconds(50)});
    pace.ended(milliseconds(1));
    for (int i = 0; i < 5; ++i) pace.next(start, some_day, start);  // the last one at 16 ms
    EXPECT_EQ(pace.next(start - milliseconds(50), some_day, start).begin, start);
    EXPECT_EQ(pace.next(start, some_day, start).begin, start + milliseconds(20));
}

TEST(RecomputationPace, GivesATurnThatIsNotUsedToAnother) {
    RecomputationPace pace({});
    pace.ended(milliseconds(1));
    pace.next(start, some_day, start);
    const auto unused = pace.next(start, some_day, start);
    EXPECT_EQ(unused.begin, start + milliseconds(4));
    pace.give_back(unused);
    EXPECT_EQ(pace.next(start, some_day, start).begin, start + milliseconds(4));
    const auto later = start + std::chrono::seconds(5);
    pace.give_back(pace.next(later, some_day, later));  // after a time in which none began
    EXPECT_EQ(pace.next(later, some_day, later).begin, later);
}

TEST(RecomputationPace, GivesNothingBackForWhoBeganBeforeItsTurn) {
    RecomputationPace pace({.patience = milliseconds(50)});
    pace.ended(milliseconds(1));
    for (int i = 0; i < 5; ++i) pace.next(start, some_day, start);
    pace.give_back(pace.next(start - milliseconds(50), some_day, start));
    EXPECT_EQ(pace.next(start, some_day, start).begin, start + milliseconds(20));
}

}  // namespace
}  // namespace loadstone::cache::internal
