#include "campus/dashboards/days.h"

#include <utility>

#include "campus/learning/learning.h"

namespace campus::dashboards {

using namespace loadstone;

namespace {

constexpr std::int64_t day_us = 86'400'000'000;

std::vector<Day> every_day(const std::vector<learning::ActiveDay>& active, std::int64_t first) {
    std::vector<Day> days;
    for (std::int64_t day = first; day < first + days_shown; ++day)
        days.emplace_back().day = {day * day_us};
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
    return {(now.micros / day_us - days) * day_us};
}

Task<std::vector<Day>> last_days(Reader reader, std::vector<courses::CourseId> courses,
                                 Timestamp now) {
    const std::int64_t first_day = now.micros / day_us - days_shown + 1;
    const Timestamp first{first_day * day_us};
    const auto active = co_await learning::active_days(reader, std::move(courses), first);
    co_return every_day(active, first_day);
}

}  // namespace campus::dashboards
