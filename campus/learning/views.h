#pragma once
// What dashboards show of a course: computed once for all who look and kept until a row of the
// course changes, or kept by those who write.

#include "campus/learning/learning.h"
#include "loadstone/cache/aggregate.h"
#include "loadstone/cache/view.h"
#include "loadstone/cache/views.h"

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

// By course.
extern const loadstone::cache::Aggregate completions_of_course;  // how many
extern const loadstone::cache::Aggregate graded_in_course;       // how many
extern const loadstone::cache::Aggregate grade_sum_of_course;    // hundredths of a percent

// The same, ranked: how many are enrolled now. By course, in the group of its organisation.
extern const loadstone::cache::Aggregate enrolled_in_course;

void views(loadstone::Views& views);

}  // namespace campus::learning
