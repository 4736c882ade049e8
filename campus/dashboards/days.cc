#include "campus/dashboards/days.h"

#include <utility>

#include "campus/learning/learning.h"

namespace campus::dashboards {

using namespace loadstone;

namespace {

std::vector<Day> every_day(const std::vector<learning::ActiveDay>& active, std::int64_t first) {
    std::vector<Day> days;
    for (std::int64_t day = first; day < first + days_shown; ++day)
        days.emplace_back().day = {day * learning::day_us};
    for (const learning::ActiveDay& one : active) {
        const std::int64_t at = one.day - first;
        if (at < 0 || at >= days_shown) continue;  // a clock that is ahead
        Day& day = days[static_cast<std::size_t>(at)];
        day.learners = one.learners;
        day.lessons = one.lessons;
        day.attempts = one.attempts;
    }
    return days;
}

}  // namespace

Timestamp days_before(int days, Timestamp now) {
    return {(learning::day_of(now) - days) * learning::day_us};
}

Task<std::vector<Day>> last_days(Reader reader, std::vector<courses::CourseId> courses,
                                 Timestamp now) {
    const Timestamp first = days_before(days_shown - 1, now);
    const auto active = co_await learning::active_days(reader, std::move(courses), first);
    co_return every_day(active, learning::day_of(first));
}

}  // namespace campus::dashboards
