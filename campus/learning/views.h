#pragma once
// What dashboards show of a course: computed once for all who look and kept until a row of the
// course changes, or kept by those who write.

#include <optional>
#include <vector>

#include "campus/learning/learning.h"
#include "loadstone/cache/aggregate.h"
#include "loadstone/cache/view.h"
#include "loadstone/cache/views.h"

namespace campus::learning {

struct CoursesAndDay {
    std::vector<courses::CourseId> courses;
    std::int64_t first_day = 0;
};
BOOST_DESCRIBE_STRUCT(CoursesAndDay, (), (courses, first_day))

struct EnrolledIn {
    courses::CourseId course_id;
    std::int64_t taken = 0;  // seats
};
BOOST_DESCRIBE_STRUCT(EnrolledIn, (), (course_id, taken))
struct ActiveLearners {
    courses::CourseId course_id;
    std::int64_t learners = 0;
};
BOOST_DESCRIBE_STRUCT(ActiveLearners, (), (course_id, learners))

struct AtRiskKey {
    CourseSize course;
    std::int64_t first_day = 0;
    std::optional<accounts::UserId> after;
    int limit = 0;
};
BOOST_DESCRIBE_STRUCT(AtRiskKey, (), (course, first_day, after, limit))
struct AtRiskAmongKey {
    std::vector<CourseSize> courses;
    std::int64_t first_day = 0;
    std::optional<AtRiskPlace> after;
    int limit = 0;
};
BOOST_DESCRIBE_STRUCT(AtRiskAmongKey, (), (courses, first_day, after, limit))

// Each reads one table, so that an answer about 1,000 courses has as many tags, and is kept.
extern const loadstone::cache::View<CoursesAndDay, std::vector<ActiveDay>> active_days_of_courses;
extern const loadstone::cache::View<CoursesAndDay, std::vector<ActiveLearners>>
    active_learners_of_courses;
extern const loadstone::cache::View<std::vector<courses::CourseId>, std::vector<EnrolledIn>>
    enrolled_in_courses;
extern const loadstone::cache::View<AtRiskKey, AtRiskPage> at_risk_in_course;
extern const loadstone::cache::View<AtRiskAmongKey, AtRiskAmongPage> at_risk_in_courses;
extern const loadstone::cache::View<courses::CourseId, std::vector<LessonReach>>
    lesson_reach_of_course;
extern const loadstone::cache::View<courses::CourseId, std::vector<GradeBin>> grades_of_course;

// By course.
extern const loadstone::cache::Aggregate completions_of_course;  // how many
extern const loadstone::cache::Aggregate graded_in_course;       // how many
extern const loadstone::cache::Aggregate grade_sum_of_course;    // hundredths of a percent
// When it was completed first and last, microseconds since 1970; nothing while nobody has.
extern const loadstone::cache::Aggregate first_completion_of_course;
extern const loadstone::cache::Aggregate last_completion_of_course;

// The same, ranked: how many are enrolled now. By course, in the group of its organisation.
extern const loadstone::cache::Aggregate enrolled_in_course;

void views(loadstone::Views& views);

}  // namespace campus::learning
