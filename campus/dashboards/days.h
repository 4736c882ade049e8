#pragma once
// dashboards' own: activity day by day, and who has none.

#include <vector>

#include "campus/courses/courses.h"
#include "loadstone/base/describe.h"
#include "loadstone/module/module.h"

namespace campus::dashboards {

inline constexpr std::int64_t days_shown = 30;  // with today
// Who has done nothing on so many days before today, nor today, is at risk (learning.h).
inline constexpr int idle_days_default = 14;

// The start of a day, UTC: of the one so many days before that of `now`; 0: of that one. What is
// shown of days is of whole ones.
loadstone::Timestamp days_before(int days, loadstone::Timestamp now);

struct Day {
    loadstone::Timestamp day;   // its start, UTC
    std::int64_t learners = 0;  // different ones who were active
    std::int64_t lessons = 0;   // completed
    std::int64_t attempts = 0;
};
BOOST_DESCRIBE_STRUCT(Day, (), (day, learners, lessons, attempts))

// The last 30 with today, oldest first, also those on which nothing was done in these courses. A
// look-up.
loadstone::Task<std::vector<Day>> last_days(loadstone::Reader reader,
                                            std::vector<courses::CourseId> courses,
                                            loadstone::Timestamp now);

}  // namespace campus::dashboards
