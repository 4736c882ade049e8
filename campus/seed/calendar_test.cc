#include "campus/seed/calendar.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

namespace campus::seed {

namespace {

using loadstone::Random;
using loadstone::Timestamp;

const Timestamp until = *loadstone::timestamp_from_rfc3339("2026-11-26T00:00:00Z");

std::int64_t hour_of(Timestamp time) { return time.micros % day_us / (3'600 * second_us); }

TEST(Calendar, MomentsAreOfTheYear) {
    const Calendar calendar(until);
    EXPECT_EQ(loadstone::to_rfc3339(calendar.begin()), "2025-11-26T00:00:00.000000Z");
    EXPECT_EQ(calendar.end(), until);
    Random random(1);
    for (int i = 0; i < 10'000; ++i) {
        const Timestamp time = calendar.moment(random);
        ASSERT_GE(time, calendar.begin());
        ASSERT_LT(time, until);
    }
}

TEST(Calendar, TermsAndEveningsAreBusy) {
    const Calendar calendar(until);
    Random random(2);
    const Timestamp august = *loadstone::timestamp_from_rfc3339("2026-08-01T00:00:00Z");
    const Timestamp september = *loadstone::timestamp_from_rfc3339("2026-09-01T00:00:00Z");
    const Timestamp october = *loadstone::timestamp_from_rfc3339("2026-10-01T00:00:00Z");
    const Timestamp november = *loadstone::timestamp_from_rfc3339("2026-11-01T00:00:00Z");
    int in_august = 0, in_october = 0, at_20 = 0, at_4 = 0;
    for (int i = 0; i < 20'000; ++i) {
        const Timestamp time = calendar.moment(random);
        in_august += time >= august && time < september;
        in_october += time >= october && time < november;
        at_20 += hour_of(time) == 20;
        at_4 += hour_of(time) == 4;
    }
    EXPECT_GT(in_october, 2 * in_august);
    EXPECT_GT(in_august, 0);
    EXPECT_GT(at_20, 10 * at_4);
}

TEST(Calendar, FromAMomentOnNothingIsBeforeIt) {
    const Calendar calendar(until);
    Random random(3);
    const std::array froms{calendar.begin(), Timestamp{until.micros - 1},
                           Timestamp{until.micros - day_us}, Timestamp{until.micros - day_us - 1}};
    for (const Timestamp from : froms) {
        for (int i = 0; i < 1'000; ++i) {
            const Timestamp time = calendar.moment_from(random, from);
            ASSERT_GE(time, from);
            ASSERT_LT(time, until);
        }
    }
}

TEST(Calendar, ASittingIsLater) {
    const Calendar calendar(until);
    Random random(4);
    Timestamp time = calendar.begin();
    while (time < until) {
        const Timestamp next = calendar.next_sitting(random, time);
        ASSERT_GT(next, time);
        time = next;
    }
}

TEST(Calendar, TheSameSeedGivesTheSame) {
    const Calendar calendar(until);
    Random one(5), other(5);
    for (int i = 0; i < 100; ++i) ASSERT_EQ(calendar.moment(one), calendar.moment(other));
}

}  // namespace

}  // namespace campus::seed
