#include "loadstone/jobs/internal/cron_fields.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

namespace loadstone::jobs::internal {
namespace {

template <class Set>
std::string listed(Set set) {
    std::string text;
    for (unsigned i = 0; i < 64; ++i) {
        if ((std::uint64_t{set} >> i & 1U) != 0)
            text += (text.empty() ? "" : " ") + fmt::to_string(i);
    }
    return text;
}

CronFields parsed(const std::string& expression) {
    return value_or_throw(parse_cron_fields(expression));
}

TEST(CronFields, AreTheValuesOfTheirItems) {
    struct Case {
        const char* minute;
        const char* values;
    };
    const Case cases[] = {
        {"0", "0"},
        {"59", "59"},
        {"007", "7"},
        {"5,3,5", "3 5"},
        {"3-6", "3 4 5 6"},
        {"6-6", "6"},
        {"57-59,0-1", "0 1 57 58 59"},
        {"*/15", "0 15 30 45"},
        {"*/60", "0"},
        {"*/59", "0 59"},
        {"10-20/5", "10 15 20"},
        {"10-21/5,1", "1 10 15 20"},
        {"0-59/30,*/20", "0 20 30 40"},
    };
    for (const Case& each : cases) {
        EXPECT_EQ(listed(parsed(each.minute + std::string(" * * * *")).minutes), each.values)
            << each.minute;
    }
    EXPECT_EQ(parsed("* * * * *").minutes, (std::uint64_t{1} << 60) - 1);
    EXPECT_EQ(listed(parsed("0 */6,23 * * *").hours), "0 6 12 18 23");
    EXPECT_EQ(listed(parsed("0 0 */10 * *").days), "1 11 21 31");
    EXPECT_EQ(listed(parsed("0 0 1 jan,MAR-may/2,12 *").months), "1 3 5 12");
}

TEST(CronFields, HaveSundayAs0And7) {
    struct Case {
        const char* weekday;
        const char* values;
    };
    const Case cases[] = {
        {"0", "0"},
        {"7", "0"},
        {"sun", "0"},
        {"SUN,Sat", "0 6"},
        {"mon-fri", "1 2 3 4 5"},
        {"5-7", "0 5 6"},
        {"1-7/2", "0 1 3 5"},
        {"*/2", "0 2 4 6"},
        {"*/7", "0"},
        {"*", "0 1 2 3 4 5 6"},
        {"0-7", "0 1 2 3 4 5 6"},
    };
    for (const Case& each : cases) {
        EXPECT_EQ(listed(parsed(std::string("0 0 * * ") + each.weekday).weekdays), each.values)
            << each.weekday;
    }
}

TEST(CronFields, SayHowDaysCombineAndWhatAnIntervalIs) {
    struct Case {
        const char* expression;
        bool one_day_field_enough;
        bool by_elapsed_time;
    };
    const Case cases[] = {
        {"0 0 * * *", false, false},    {"0 0 1 * *", false, false},
        {"0 0 * * 1", false, false},    {"0 0 1 * 1", true, false},
        {"0 0 */2 * 1", false, false},  {"0 0 1 * */2", false, false},
        {"0 0 1,* * 1", true, false},   {"0 * * * *", false, true},
        {"0 */2 * * *", false, true},   {"*/5 2 * * *", false, false},
        {"0 0-23 * * *", false, false},
    };
    for (const Case& each : cases) {
        const CronFields fields = parsed(each.expression);
        EXPECT_EQ(fields.one_day_field_enough, each.one_day_field_enough) << each.expression;
        EXPECT_EQ(fields.by_elapsed_time, each.by_elapsed_time) << each.expression;
    }
}

struct Refusal {
    const char* expression;
    const char* field;
    const char* message;
};

void expect_refused(const Refusal& each) {
    const auto refused = parse_cron_fields(each.expression);
    ASSERT_FALSE(refused) << each.expression;
    EXPECT_EQ(refused.error().code(), Errc::invalid_argument);
    EXPECT_EQ(refused.error().field(), each.field);
    EXPECT_EQ(refused.error().message(), "cron: " + std::string(each.field) + ": " + each.message);
}

TEST(CronFields, RefuseWhatIsOutsideARange) {
    const Refusal cases[] = {
        {"60 0 * * *", "minute", "\"60\" is not one of 0..59"},
        {"-1 0 * * *", "minute", "\"\" is not one of 0..59"},
        {"0 24 * * *", "hour", "\"24\" is not one of 0..23"},
        {"0 0 0 * *", "day_of_month", "\"0\" is not one of 1..31"},
        {"0 0 32 * *", "day_of_month", "\"32\" is not one of 1..31"},
        {"0 0 * 0 *", "month", "\"0\" is not one of 1..12 or jan..dec"},
        {"0 0 * 13 *", "month", "\"13\" is not one of 1..12 or jan..dec"},
        {"0 0 * * 8", "day_of_week", "\"8\" is not one of 0..7 or sun..sat"},
        {"0 0 * * 6-8", "day_of_week", "\"8\" is not one of 0..7 or sun..sat"},
        {"0 99999999999 * * *", "hour", "\"99999999999\" is not one of 0..23"},
        {"0 0 * janu *", "month", "\"janu\" is not one of 1..12 or jan..dec"},
        {"0 0 * mon *", "month", "\"mon\" is not one of 1..12 or jan..dec"},
        {"jan 0 * * *", "minute", "\"jan\" is not one of 0..59"},
        {"0x1 0 * * *", "minute", "\"0x1\" is not one of 0..59"},
        {"+1 0 * * *", "minute", "\"+1\" is not one of 0..59"},
        {"1.5 0 * * *", "minute", "\"1.5\" is not one of 0..59"},
        {"** 0 * * *", "minute", "\"**\" is not one of 0..59"},
        {"*-5 0 * * *", "minute", "\"*\" is not one of 0..59"},
        {"? 0 * * *", "minute", "\"?\" is not one of 0..59"},
        {"0 0 L * *", "day_of_month", "\"L\" is not one of 1..31"},
        {"0 0 * * 5#2", "day_of_week", "\"5#2\" is not one of 0..7 or sun..sat"},
        {"0 0 * * *\n", "day_of_week", "\"*\n\" is not one of 0..7 or sun..sat"},
        {"1, 0 * * *", "minute", "\"\" is not one of 0..59"},
        {",1 0 * * *", "minute", "\"\" is not one of 0..59"},
        {"1- 0 * * *", "minute", "\"\" is not one of 0..59"},
        {"1-2-3 0 * * *", "minute", "\"2-3\" is not one of 0..59"},
        {"0 20-8 * * *", "hour", "\"20-8\" runs backwards within 0..23"},
        {"0 0 * * fri-sun", "day_of_week", "\"fri-sun\" runs backwards within 0..7 or sun..sat"},
    };
    for (const Refusal& each : cases) expect_refused(each);
}

TEST(CronFields, RefuseStepsThatMeanNothing) {
    const Refusal cases[] = {
        {"*/0 * * * *", "minute", "the step of \"*/0\" is not in 1..60"},
        {"*/61 * * * *", "minute", "the step of \"*/61\" is not in 1..60"},
        {"*/ * * * *", "minute", "the step of \"*/\" is not in 1..60"},
        {"*/5/5 * * * *", "minute", "the step of \"*/5/5\" is not in 1..60"},
        {"*/-5 * * * *", "minute", "the step of \"*/-5\" is not in 1..60"},
        {"0 */25 * * *", "hour", "the step of \"*/25\" is not in 1..24"},
        {"0 0 1-9/32 * *", "day_of_month", "the step of \"1-9/32\" is not in 1..31"},
        {"0 0 * */13 *", "month", "the step of \"*/13\" is not in 1..12"},
        {"0 0 * */feb *", "month", "the step of \"*/feb\" is not in 1..12"},
        {"0 0 * * */8", "day_of_week", "the step of \"*/8\" is not in 1..7"},
        {"5/15 * * * *", "minute", "\"5/15\" has a step, but neither * nor a range of 0..59"},
    };
    for (const Refusal& each : cases) expect_refused(each);
}

TEST(CronFields, AreFiveOrHaveAName) {
    const std::string five = "fields, not the 5 of minute hour day_of_month month day_of_week";
    for (const auto& [expression, count] :
         {std::pair("", "0"), std::pair(" \t ", "0"), std::pair("* * * *", "4"),
          std::pair("* * * * * *", "6"), std::pair("@daily 5", "2"), std::pair("daily", "1")}) {
        const std::string message = fmt::format("\"{}\" has {} {}", expression, count, five);
        expect_refused({expression, "expression", message.c_str()});
    }
    for (const std::string name : {"@often", "@", "@Daily", "@reboot"}) {
        const std::string message =
            "\"" + name + "\" is not one of @hourly, @daily, @weekly, @monthly, @yearly";
        expect_refused({name.c_str(), "expression", message.c_str()});
    }
}

TEST(CronFields, RefuseDaysThatDoNotComeInEightYears) {
    const Refusal cases[] = {
        {"0 0 30 2 *", "day_of_month",
         "no day is \"30 2 *\" (day_of_month month day_of_week) in 8 years"},
        {"0 0 31 feb,4,6,9,11 *", "day_of_month",
         "no day is \"31 feb,4,6,9,11 *\" (day_of_month month day_of_week) in 8 years"},
        // A first of january that is a monday may be 11 years from the next.
        {"0 0 */31 1 1", "day_of_month",
         "no day is \"*/31 1 1\" (day_of_month month day_of_week) in 8 years"},
        {"0 0 29 2 */2", "day_of_month",
         "no day is \"29 2 */2\" (day_of_month month day_of_week) in 8 years"},
    };
    for (const Refusal& each : cases) expect_refused(each);
    for (const char* const expression : {"0 0 29 2 *", "0 0 30 2 mon", "0 0 30 */2 *"}) {
        EXPECT_TRUE(parse_cron_fields(expression)) << expression;
    }
}

}  // namespace
}  // namespace loadstone::jobs::internal
