#include "loadstone/jobs/cron.h"

#include <gtest/gtest.h>

namespace loadstone::jobs {
namespace {

using std::chrono::minutes;

Schedule schedule(std::string_view expression, std::string_view zone = "UTC") {
    return value_or_throw(Schedule::parse(expression, zone));
}

Timestamp at(const std::string& time) { return timestamp_from_rfc3339(time + "Z").value(); }

std::string text(Timestamp time) { return to_rfc3339(time).substr(0, 16); }

// The firings behind `start`, to the minute, in UTC.
std::vector<std::string> firings(const Schedule& schedule, const std::string& start,
                                 std::size_t count) {
    std::vector<std::string> found;
    Timestamp time = at(start);
    while (found.size() < count) {
        time = schedule.next_after(time);
        EXPECT_EQ(time.micros % 60'000'000, 0);
        found.push_back(text(time));
    }
    return found;
}

using Times = std::vector<std::string>;

TEST(Schedule, FiresInUtc) {
    struct Case {
        const char* expression;
        const char* start;
        Times firings;
    };
    const Case cases[] = {
        {"* * * * *", "2026-01-01T00:00:00", {"2026-01-01T00:01", "2026-01-01T00:02"}},
        {"*/20 * * * *", "2026-01-01T00:30:00", {"2026-01-01T00:40", "2026-01-01T01:00"}},
        {"5,50 22-23 * * *",
         "2026-12-31T22:05:00",
         {"2026-12-31T22:50", "2026-12-31T23:05", "2026-12-31T23:50", "2027-01-01T22:05"}},
        {"0 9 * * mon-fri", "2026-01-02T09:00:00", {"2026-01-05T09:00", "2026-01-06T09:00"}},
        {"0 0 13 * fri",
         "2026-02-06T00:00:00",
         {"2026-02-13T00:00", "2026-02-20T00:00", "2026-02-27T00:00", "2026-03-06T00:00",
          "2026-03-13T00:00", "2026-03-20T00:00", "2026-03-27T00:00", "2026-04-03T00:00",
          "2026-04-10T00:00", "2026-04-13T00:00"}},
        {"0 0 */31 * sun", "2026-01-01T00:00:00", {"2026-02-01T00:00", "2026-03-01T00:00"}},
        {"0 12 31 * *", "2026-01-31T12:00:00", {"2026-03-31T12:00", "2026-05-31T12:00"}},
        {"0 0 30 * *", "2026-01-30T00:00:00", {"2026-03-30T00:00", "2026-04-30T00:00"}},
        {"59 23 28-31 2 *",
         "2027-12-01T00:00:00",
         {"2028-02-28T23:59", "2028-02-29T23:59", "2029-02-28T23:59"}},
        {"0 0 29 2 *", "2026-01-01T00:00:00", {"2028-02-29T00:00", "2032-02-29T00:00"}},
        {"0 0 29 2 *", "2096-02-29T00:00:00", {"2104-02-29T00:00"}},
        {"@hourly", "2026-01-01T00:00:00", {"2026-01-01T01:00", "2026-01-01T02:00"}},
        {"@daily", "2026-02-28T00:00:00", {"2026-03-01T00:00", "2026-03-02T00:00"}},
        {"@weekly", "2026-01-01T00:00:00", {"2026-01-04T00:00", "2026-01-11T00:00"}},
        {"@monthly", "2026-01-01T00:00:00", {"2026-02-01T00:00", "2026-03-01T00:00"}},
        {"@yearly", "2026-01-01T00:00:00", {"2027-01-01T00:00", "2028-01-01T00:00"}},
    };
    for (const Case& each : cases) {
        EXPECT_EQ(firings(schedule(each.expression), each.start, each.firings.size()), each.firings)
            << each.expression;
    }
}

TEST(Schedule, FiresStrictlyBehindAnInstant) {
    const Schedule hourly = schedule("@hourly");
    const Timestamp noon = at("2026-01-01T12:00:00");
    const std::chrono::microseconds micro(1);
    EXPECT_EQ(hourly.next_after(noon - micro), noon);
    EXPECT_EQ(hourly.next_after(noon), noon + minutes(60));
    EXPECT_EQ(hourly.next_after(noon + micro), noon + minutes(60));
    EXPECT_EQ(hourly.next_after(noon - minutes(1) - micro), noon);
}

struct Change {
    const char* expression;
    const char* zone;
    const char* start;
    Times firings;
};

void expect_firings(const Change& each) {
    EXPECT_EQ(firings(schedule(each.expression, each.zone), each.start, each.firings.size()),
              each.firings)
        << each.expression << " " << each.zone;
}

// Europe/Berlin 2026-03-29 02:00 becomes 03:00 at 01:00 UTC; America/New_York 2026-03-08 02:00
// becomes 03:00 at 07:00 UTC; Australia/Lord_Howe 2026-10-04 02:00 becomes 02:30 at 15:30 UTC of
// the third; Africa/Cairo 2026-04-24 00:00 becomes 01:00 at 22:00 UTC of the 23rd; Pacific/Apia had
// no 2011-12-30.
TEST(Schedule, FiresOnceBehindAGapForTimesThatAreSkipped) {
    const Change cases[] = {
        {"30 2 * * *",
         "Europe/Berlin",
         "2026-03-28T00:00:00",
         {"2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30"}},
        {"*/15 2 * * *",
         "Europe/Berlin",
         "2026-03-28T01:40:00",
         {"2026-03-28T01:45", "2026-03-29T01:00", "2026-03-30T00:00", "2026-03-30T00:15"}},
        {"30 2,3 * * *",
         "Europe/Berlin",
         "2026-03-28T23:00:00",
         {"2026-03-29T01:00", "2026-03-29T01:30", "2026-03-30T00:30"}},
        {"0 2,3 * * *",
         "Europe/Berlin",
         "2026-03-28T23:00:00",
         {"2026-03-29T01:00", "2026-03-30T00:00", "2026-03-30T01:00"}},
        {"0 3 * * *",
         "Europe/Berlin",
         "2026-03-28T23:00:00",
         {"2026-03-29T01:00", "2026-03-30T01:00"}},
        {"59 1 * * *",
         "Europe/Berlin",
         "2026-03-28T23:00:00",
         {"2026-03-29T00:59", "2026-03-29T23:59"}},
        {"30 2 29 3 *",
         "Europe/Berlin",
         "2026-01-01T00:00:00",
         {"2026-03-29T01:00", "2027-03-29T00:30"}},
        {"30 2 * * *",
         "America/New_York",
         "2026-03-07T12:00:00",
         {"2026-03-08T07:00", "2026-03-09T06:30"}},
        {"10 2 * * *",
         "Australia/Lord_Howe",
         "2026-10-03T00:00:00",
         {"2026-10-03T15:30", "2026-10-04T15:10"}},
        {"30 2 * * *",
         "Australia/Lord_Howe",
         "2026-10-03T00:00:00",
         {"2026-10-03T15:30", "2026-10-04T15:30"}},
        {"@daily",
         "Africa/Cairo",
         "2026-04-22T12:00:00",
         {"2026-04-22T22:00", "2026-04-23T22:00", "2026-04-24T21:00"}},
        {"0 3,15 * * *",
         "Pacific/Apia",
         "2011-12-29T20:00:00",
         {"2011-12-30T01:00", "2011-12-30T10:00", "2011-12-30T13:00", "2011-12-31T01:00"}},
    };
    for (const Change& each : cases) expect_firings(each);
}

// Europe/Berlin 2026-10-25 03:00 becomes 02:00 at 01:00 UTC; America/New_York 2026-11-01 02:00
// becomes 01:00 at 06:00 UTC; Australia/Lord_Howe 2026-04-05 02:00 becomes 01:30 at 15:00 UTC of
// the fourth.
TEST(Schedule, FiresTheFirstOfTimesThatComeTwice) {
    const Change cases[] = {
        {"30 2 * * *",
         "Europe/Berlin",
         "2026-10-24T12:00:00",
         {"2026-10-25T00:30", "2026-10-26T01:30"}},
        {"0 2,3 * * *",
         "Europe/Berlin",
         "2026-10-24T12:00:00",
         {"2026-10-25T00:00", "2026-10-25T02:00", "2026-10-26T01:00"}},
        {"*/30 2 * * *",
         "Europe/Berlin",
         "2026-10-24T12:00:00",
         {"2026-10-25T00:00", "2026-10-25T00:30", "2026-10-26T01:00", "2026-10-26T01:30"}},
        // From within the second time.
        {"30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00", {"2026-10-26T01:30"}},
        {"0 0-23 * * *",
         "Europe/Berlin",
         "2026-10-24T23:00:00",
         {"2026-10-25T00:00", "2026-10-25T02:00"}},
        {"30 1 * * *",
         "America/New_York",
         "2026-10-31T12:00:00",
         {"2026-11-01T05:30", "2026-11-02T06:30"}},
        {"45 1 * * *",
         "Australia/Lord_Howe",
         "2026-04-04T00:00:00",
         {"2026-04-04T14:45", "2026-04-05T15:15"}},
        {"15 1 * * *",
         "Australia/Lord_Howe",
         "2026-04-04T00:00:00",
         {"2026-04-04T14:15", "2026-04-05T14:45"}},
    };
    for (const Change& each : cases) expect_firings(each);
}

TEST(Schedule, FiresIntervalsByElapsedTime) {
    const Change cases[] = {
        {"*/30 * * * *",
         "Europe/Berlin",
         "2026-03-29T00:00:00",
         {"2026-03-29T00:30", "2026-03-29T01:00", "2026-03-29T01:30"}},
        {"*/30 * * * *",
         "Europe/Berlin",
         "2026-10-24T23:30:00",
         {"2026-10-25T00:00", "2026-10-25T00:30", "2026-10-25T01:00", "2026-10-25T01:30",
          "2026-10-25T02:00"}},
        {"30 * * * *",
         "Europe/Berlin",
         "2026-03-28T23:30:00",
         {"2026-03-29T00:30", "2026-03-29T01:30"}},
        {"@hourly",
         "America/New_York",
         "2026-11-01T04:00:00",
         {"2026-11-01T05:00", "2026-11-01T06:00", "2026-11-01T07:00"}},
        // 02:00 is skipped in spring, and comes twice in autumn.
        {"0 */2 * * *",
         "Europe/Berlin",
         "2026-03-28T22:00:00",
         {"2026-03-28T23:00", "2026-03-29T02:00", "2026-03-29T04:00"}},
        {"0 */2 * * *",
         "Europe/Berlin",
         "2026-10-24T21:00:00",
         {"2026-10-24T22:00", "2026-10-25T00:00", "2026-10-25T01:00", "2026-10-25T03:00"}},
        {"*/15 * * * *",
         "Australia/Lord_Howe",
         "2026-10-03T15:00:00",
         {"2026-10-03T15:15", "2026-10-03T15:30", "2026-10-03T15:45"}},
        {"0 * * * *",
         "Australia/Lord_Howe",
         "2026-10-03T14:00:00",
         {"2026-10-03T14:30", "2026-10-03T16:00"}},
    };
    for (const Change& each : cases) expect_firings(each);
}

TEST(Schedule, HasRulesOfYearsToCome) {
    // Files without transitions ("slim") would leave Berlin in the time of 1996.
    EXPECT_EQ(firings(schedule("0 12 * * *", "Europe/Berlin"), "2036-01-15T12:00:00", 1),
              Times{"2036-01-16T11:00"});
    EXPECT_EQ(firings(schedule("0 12 * * *", "Europe/Berlin"), "2036-07-15T12:00:00", 1),
              Times{"2036-07-16T10:00"});
}

TEST(Schedule, EndsWithTheYear9999) {
    for (const char* const zone : {"UTC", "Europe/Berlin", "America/New_York"}) {
        const Schedule daily = schedule("@daily", zone);
        EXPECT_LT(daily.next_after(at("9999-12-30T12:00:00")), timestamp_text_max);
        EXPECT_EQ(daily.next_after(at("9999-12-31T23:30:00")), Schedule::never);
        EXPECT_EQ(daily.next_after(timestamp_text_max), Schedule::never);
        EXPECT_EQ(daily.next_after(Schedule::never), Schedule::never);
        const Timestamp earliest{std::numeric_limits<std::int64_t>::min()};
        EXPECT_LE(daily.next_after(earliest), timestamp_text_min + std::chrono::hours(24));
        // By the sun, before there were zones.
        const auto wait = daily.next_after(at("1492-10-12T06:00:00")) - at("1492-10-12T06:00:00");
        EXPECT_GT(wait, std::chrono::hours(16));
        EXPECT_LT(wait, std::chrono::hours(24));
    }
}

TEST(Schedule, NeverFiresIfEachOfItsHoursIsSkipped) {
    // The last sunday of march begins at 01:00 in Beirut, up to where its file ends.
    EXPECT_EQ(schedule("0 */24 25-31 3 */7", "Asia/Beirut").next_after(at("2026-01-01T00:00:00")),
              Schedule::never);
    EXPECT_EQ(firings(schedule("0 0 25-31 3 */7", "Asia/Beirut"), "2026-01-01T00:00:00", 1),
              Times{"2026-03-28T22:00"});
}

TEST(Schedule, IsReadFromWhatItSays) {
    const Schedule spaced = schedule("  0\t3 * *   mon-FRI ", "Europe/Berlin");
    EXPECT_EQ(spaced.expression(), "0 3 * * mon-FRI");
    EXPECT_EQ(spaced.zone(), "Europe/Berlin");
    EXPECT_EQ(to_string(spaced), "0 3 * * mon-FRI Europe/Berlin");
    EXPECT_EQ(schedule(spaced.expression(), spaced.zone()), spaced);
    EXPECT_EQ(schedule(" @daily").expression(), "@daily");
    EXPECT_FALSE(schedule("0 3 * * *", "UTC") == schedule("0 3 * * *", "Europe/Berlin"));
    EXPECT_FALSE(schedule("0 3 * * *") == schedule("0 4 * * *"));
}

TEST(Schedule, RefusesZonesThatAreNotKnown) {
    for (const std::string zone :
         {"", "Europe/Bonn", "europe/berlin", "localtime", "../../../etc/passwd", "/etc/localtime",
          "Europe", "tzdata.zi", "posix/UTC", "CEST", "UTC+1", "UTC "}) {
        const auto refused = Schedule::parse("@daily", zone);
        ASSERT_FALSE(refused) << zone;
        EXPECT_EQ(refused.error().code(), Errc::invalid_argument);
        EXPECT_EQ(refused.error().field(), "zone");
        EXPECT_EQ(refused.error().message(),
                  "cron: zone: \"" + zone +
                      "\" is not one of /usr/share/zoneinfo, as Europe/Berlin and UTC are");
    }
    EXPECT_LT(Schedule::parse("@daily", std::string(10'000, 'x')).error().message().size(), 200U);
}

TEST(Schedule, RefusesWhatItsFieldsRefuse) {
    const auto refused = Schedule::parse("0 24 * * *", "UTC");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message(), "cron: hour: \"24\" is not one of 0..23");
    EXPECT_EQ(refused.error().field(), "hour");
}

TEST(Schedule, ReadsExpressionsUpToTheirLimit) {
    const auto padded = [](std::size_t bytes) {
        std::string expression = "* * * * *";
        return expression.append(bytes - expression.size(), ' ');
    };
    EXPECT_TRUE(Schedule::parse(padded(Schedule::expression_bytes_max - 1), "UTC"));
    EXPECT_TRUE(Schedule::parse(padded(Schedule::expression_bytes_max), "UTC"));
    const auto refused = Schedule::parse(padded(Schedule::expression_bytes_max + 1), "UTC");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message(), "cron: expression: has 513 bytes, at most 512 are read");
    EXPECT_EQ(refused.error().field(), "expression");
}

}  // namespace
}  // namespace loadstone::jobs
