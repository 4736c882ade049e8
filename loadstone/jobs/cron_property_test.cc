// Schedules made by a seed, held against programs that look at each minute.

#include <date/tz.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>

#include "loadstone/base/random.h"
#include "loadstone/jobs/cron.h"

namespace loadstone::jobs {
namespace {

using std::chrono::local_seconds;
using std::chrono::minutes;
using std::chrono::seconds;
using std::chrono::sys_seconds;

struct Field {
    std::string text;
    std::set<unsigned> values;
};

struct Expression {
    Field minute, hour, day, month, weekday;

    std::string text() const {
        return minute.text + " " + hour.text + " " + day.text + " " + month.text + " " +
               weekday.text;
    }
    bool is_interval() const { return hour.text.starts_with('*'); }
    bool matches(local_seconds time) const {
        const auto day_of = std::chrono::floor<std::chrono::days>(time);
        const std::chrono::year_month_day date(day_of);
        const std::chrono::hh_mm_ss clock(time - day_of);
        const bool in_month = day.values.contains(static_cast<unsigned>(date.day()));
        const bool in_week = weekday.values.contains(std::chrono::weekday(day_of).c_encoding());
        const bool either = !day.text.starts_with('*') && !weekday.text.starts_with('*');
        return minute.values.contains(static_cast<unsigned>(clock.minutes().count())) &&
               hour.values.contains(static_cast<unsigned>(clock.hours().count())) &&
               month.values.contains(static_cast<unsigned>(date.month())) &&
               (either ? in_month || in_week : in_month && in_week);
    }
};

// Adds one item to the field.
void add_item(Random& random, unsigned low, unsigned high, Field& field) {
    const auto pick = [&](unsigned from, unsigned to) {
        return from + static_cast<unsigned>(random.below(to - from + 1));
    };
    unsigned first = low;
    unsigned last = high;
    unsigned step = 1;
    std::string text = "*";
    if (random.below(4) != 0) {
        first = pick(low, high);
        last = random.below(2) == 0 ? first : pick(first, high);
        text = fmt::to_string(first);
        if (last != first) text += "-" + fmt::to_string(last);
    }
    if ((text == "*" || last != first) && random.below(2) == 0) {
        step = pick(1, high - low + 1);
        text += "/" + fmt::to_string(step);
    }
    for (unsigned value = first; value <= last; value += step) field.values.insert(value);
    field.text += (field.text.empty() ? "" : ",") + text;
}

// All values, so that the text says the same.
Field whole_field(const std::string& text, unsigned low, unsigned high) {
    Field field;
    field.text = text;
    for (unsigned value = low; value <= high; ++value) field.values.insert(value);
    return field;
}

Field random_field(Random& random, unsigned low, unsigned high) {
    if (random.below(3) == 0) return whole_field("*", low, high);
    Field field;
    for (std::uint64_t items = 1 + random.below(3); items > 0; --items) {
        add_item(random, low, high, field);
    }
    return field;
}

Expression random_expression(Random& random) {
    return {random_field(random, 0, 59), random_field(random, 0, 23), random_field(random, 1, 31),
            random_field(random, 1, 12), random_field(random, 0, 6)};
}

constexpr std::uint64_t seed = 20260329;

TEST(ScheduleProperty, IsTheFirstMinuteOfAScanInUtc) {
    Random random(seed);
    int found = 0;
    for (int i = 0; i < 1'000; ++i) {
        const Expression expression = random_expression(random);
        const auto schedule = Schedule::parse(expression.text(), "UTC");
        // What does not come in 8 years is refused: cron_fields_test.cc.
        if (!schedule) continue;
        const auto start = static_cast<std::int64_t>(1'700'000'000 + random.below(400'000'000));
        const Timestamp next = schedule->next_after({start * 1'000'000});
        const std::int64_t end = start + 20 * 86'400;
        std::int64_t scan = start - start % 60 + 60;
        while (scan < end && !expression.matches(local_seconds(seconds(scan)))) scan += 60;
        if (scan < end) {
            ASSERT_EQ(next.micros, scan * 1'000'000) << expression.text() << " after " << start;
            ++found;
        } else {
            ASSERT_GE(next.micros, end * 1'000'000) << expression.text() << " after " << start;
        }
    }
    EXPECT_GT(found, 300);
}

// What cronie does with time that runs on: a time of day fires when the latest local time that was
// seen reaches or passes it; an interval whenever the local time matches.
std::vector<Timestamp> simulated(const Expression& expression, const date::time_zone& zone,
                                 sys_seconds from, sys_seconds until) {
    std::vector<Timestamp> fired;
    const auto local_at = [&](sys_seconds time) {
        return local_seconds(time.time_since_epoch() + zone.get_info(time).offset);
    };
    // A day earlier, so that what was seen before `from` is known.
    sys_seconds time = from - std::chrono::days(1);
    local_seconds seen = local_at(time);
    for (; time < until; time += minutes(1)) {
        const local_seconds now = local_at(time);
        bool fires = expression.is_interval() && expression.matches(now);
        for (; seen < now; seen += minutes(1)) {
            fires |= !expression.is_interval() && expression.matches(seen + minutes(1));
        }
        if (fires && time > from) fired.push_back({time.time_since_epoch().count() * 1'000'000});
    }
    return fired;
}

void expect_as_simulated(Random& random, const std::string& zone, sys_seconds change) {
    for (int i = 0; i < 40; ++i) {
        Expression expression = random_expression(random);
        expression.month = whole_field("*", 1, 12);
        if (random.below(2) == 0) expression.day = whole_field("1-31", 1, 31);
        const auto schedule = value_or_throw(Schedule::parse(expression.text(), zone));
        const sys_seconds from = change - seconds(60 * static_cast<int>(random.below(1'500)));
        const sys_seconds until = from + std::chrono::hours(36);
        std::vector<Timestamp> fired;
        const Timestamp end{until.time_since_epoch().count() * 1'000'000};
        Timestamp next = schedule.next_after({from.time_since_epoch().count() * 1'000'000});
        for (; next < end; next = schedule.next_after(next)) fired.push_back(next);
        ASSERT_EQ(fired, simulated(expression, *date::locate_zone(zone), from, until))
            << expression.text() << " " << zone << " from " << from.time_since_epoch().count();
    }
}

TEST(ScheduleProperty, IsWhatCronieDoesWhereTheClockChanges) {
    Random random(seed);
    const auto day = [](int year, unsigned month, unsigned day_of_month) {
        return sys_seconds(std::chrono::sys_days(
            std::chrono::year(year) / std::chrono::month(month) / std::chrono::day(day_of_month)));
    };
    const std::pair<const char*, sys_seconds> changes[] = {
        {"Europe/Berlin", day(2026, 3, 29) + minutes(60)},
        {"Europe/Berlin", day(2026, 10, 25) + minutes(60)},
        {"America/New_York", day(2026, 3, 8) + minutes(420)},
        {"America/New_York", day(2026, 11, 1) + minutes(360)},
        {"Australia/Lord_Howe", day(2026, 4, 4) + minutes(900)},
        {"Australia/Lord_Howe", day(2026, 10, 3) + minutes(930)},
        {"Africa/Cairo", day(2026, 4, 23) + minutes(1'320)},
        {"America/St_Johns", day(2026, 11, 1) + minutes(270)},
        {"Pacific/Apia", day(2011, 12, 30) + minutes(600)},
        {"Asia/Kathmandu", day(2026, 6, 1)},
    };
    for (const auto& [zone, change] : changes) expect_as_simulated(random, zone, change);
}

}  // namespace
}  // namespace loadstone::jobs
