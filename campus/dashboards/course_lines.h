#pragma once
// dashboards' own: a line for each course, as instructors and organisations see it.

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "campus/courses/courses.h"
#include "loadstone/base/describe.h"
#include "loadstone/module/module.h"

namespace campus::dashboards {

struct CourseLine {
    courses::CourseId course;
    std::string title, state;
    std::int64_t capacity = 0, lessons = 0, enrolled = 0;
    std::int64_t active = 0;     // learners in the last 7 days, with today
    std::int64_t completed = 0;  // learners, also those who have left
    std::optional<loadstone::Timestamp> first_completed_at, last_completed_at;  // null: by nobody
    std::optional<double> average_percent;
};
BOOST_DESCRIBE_STRUCT(CourseLine, (),
                      (course, title, state, capacity, lessons, enrolled, active, completed,
                       first_completed_at, last_completed_at, average_percent))

// In their order, in one statement: learning::standings. Some 200 courses at most.
loadstone::Task<std::vector<CourseLine>> lines_of(loadstone::Reader reader,
                                                  std::vector<courses::Course> courses);

}  // namespace campus::dashboards
