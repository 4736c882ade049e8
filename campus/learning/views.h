#pragma once
// What dashboards show of a course, computed once for all who look and kept until a row of the
// course changes.

#include "campus/learning/learning.h"
#include "loadstone/cache/sources.h"
#include "loadstone/cache/view.h"

namespace campus::learning {

struct CoursesAndDay {
    std::vector<courses::CourseId> courses;
    loadstone::Timestamp since;  // the start of a day
};
BOOST_DESCRIBE_STRUCT(CoursesAndDay, (), (courses, since))

extern const loadstone::cache::View<CoursesAndDay, std::vector<ActiveDay>> active_days_of_courses;
extern const loadstone::cache::View<courses::CourseId, std::vector<LessonReach>>
    lesson_reach_of_course;
extern const loadstone::cache::View<courses::CourseId, std::vector<GradeBin>> grades_of_course;

// What they read.
loadstone::cache::Sources view_sources();

}  // namespace campus::learning
