#include <gtest/gtest.h>

#include <limits>

#include "loadstone/jobs/cron.h"

namespace loadstone::jobs {
namespace {

using std::chrono::minutes;
using Times = std::vector<std::string>;

Schedule schedule(std::string_view expression) {
    return value_or_throw(Schedule::parse(expression, "UTC"));
}

Timestamp at(const std::string& time) { return timestamp_from_rfc3339(time + "Z").value(); }

// What is due, as hours and minutes.
Times due(MissedFire policy, const std::string& last, const std::string& now, std::size_t max = 100,
          const std::string& expression = "*/10 * * * *") {
    Times found;
    for (const Timestamp firing : due_firings(schedule(expression), at("2026-01-01T" + last),
                                              at("2026-01-01T" + now), policy, max)) {
        found.push_back(to_rfc3339(firing).substr(11, 5));
    }
    return found;
}

TEST(DueFirings, AreNoneBeforeTheirTime) {
    for (const MissedFire policy : {MissedFire::skip, MissedFire::once, MissedFire::all}) {
        EXPECT_EQ(due(policy, "12:00:00", "12:09:59.999999"), Times{});
        EXPECT_EQ(due(policy, "12:00:00", "12:10:00"), Times{"12:10"});
        EXPECT_EQ(due(policy, "12:00:00", "12:10:00", 0), Times{});
    }
}

TEST(DueFirings, SkipThoseThatAreLaterThanTheGrace) {
    EXPECT_EQ(due(MissedFire::skip, "12:00:00", "12:11:00"), Times{"12:10"});
    EXPECT_EQ(due(MissedFire::skip, "12:00:00", "12:11:00.000001"), Times{});
    EXPECT_EQ(due(MissedFire::skip, "12:00:00", "12:50:59"), Times{"12:50"});
    EXPECT_EQ(due(MissedFire::skip, "12:00:00", "12:59:59"), Times{});
    // Several may be within it.
    EXPECT_EQ(due(MissedFire::skip, "12:00:00", "12:30:00", 100, "* * * * *"),
              (Times{"12:29", "12:30"}));
    EXPECT_EQ(due(MissedFire::skip, "12:00:00", "12:30:00", 1, "* * * * *"), Times{"12:29"});
    const Timestamp last = at("2026-01-01T12:00:00");
    EXPECT_EQ(due_firings(schedule("* * * * *"), last, last + minutes(9), MissedFire::skip, 100,
                          minutes(3))
                  .size(),
              4U);
    EXPECT_EQ(due_firings(schedule("* * * * *"), last, last + minutes(9), MissedFire::skip, 100,
                          std::chrono::hours(9))
                  .size(),
              9U);
}

TEST(DueFirings, MakeUpForAllByOne) {
    EXPECT_EQ(due(MissedFire::once, "12:00:00", "12:45:00"), Times{"12:40"});
    EXPECT_EQ(due(MissedFire::once, "12:00:00", "12:40:00"), Times{"12:40"});
    EXPECT_EQ(due(MissedFire::once, "12:00:00", "23:59:00", 1, "10-12,40 13,20 * * *"),
              Times{"20:40"});
    // Ten years of minutes, of which no list is made.
    EXPECT_EQ(due_firings(schedule("* * * * *"), at("2016-01-01T00:00:00"),
                          at("2026-01-01T00:00:59"), MissedFire::once, 100),
              std::vector{at("2026-01-01T00:00:00")});
}

TEST(DueFirings, MakeUpForEachUpToTheLimit) {
    EXPECT_EQ(due(MissedFire::all, "12:00:00", "12:39:00"), (Times{"12:10", "12:20", "12:30"}));
    EXPECT_EQ(due(MissedFire::all, "12:00:00", "12:39:00", 2), (Times{"12:10", "12:20"}));
    EXPECT_EQ(due(MissedFire::all, "12:00:00", "12:39:00", 3), (Times{"12:10", "12:20", "12:30"}));
    EXPECT_EQ(due(MissedFire::all, "12:00:00", "12:39:00", 4), (Times{"12:10", "12:20", "12:30"}));
    // The rest with the next call.
    EXPECT_EQ(due(MissedFire::all, "12:20:00", "12:39:00", 2), Times{"12:30"});
}

TEST(DueFirings, NeverComeTwiceThoughTheClockGoesBack) {
    for (const MissedFire policy : {MissedFire::skip, MissedFire::once, MissedFire::all}) {
        EXPECT_EQ(due(policy, "12:10:00", "12:10:00"), Times{});
        EXPECT_EQ(due(policy, "12:10:00", "12:09:00"), Times{});
        EXPECT_EQ(due(policy, "12:10:00", "11:00:00"), Times{});
        EXPECT_EQ(due(policy, "12:10:00", "12:10:30"), Times{});
        EXPECT_EQ(due(policy, "12:10:00", "12:20:00"), Times{"12:20"});
    }
}

TEST(DueFirings, OfAnyTwoInstantsAreFound) {
    const Timestamp first{std::numeric_limits<std::int64_t>::min()};
    const Timestamp last{std::numeric_limits<std::int64_t>::max()};
    const Schedule yearly = schedule("@yearly");
    for (const MissedFire policy : {MissedFire::skip, MissedFire::once, MissedFire::all}) {
        EXPECT_EQ(due_firings(yearly, last, first, policy, 10), std::vector<Timestamp>{});
        EXPECT_EQ(due_firings(yearly, last, last, policy, 10), std::vector<Timestamp>{});
        EXPECT_EQ(due_firings(yearly, first, first, policy, 10), std::vector<Timestamp>{});
    }
    EXPECT_EQ(due_firings(yearly, first, last, MissedFire::skip, 10), std::vector<Timestamp>{});
    EXPECT_EQ(due_firings(yearly, first, last, MissedFire::once, 10),
              std::vector{at("9999-01-01T00:00:00")});
    EXPECT_EQ(due_firings(yearly, first, last, MissedFire::all, 10).size(), 10U);
}

}  // namespace
}  // namespace loadstone::jobs
