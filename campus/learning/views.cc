#include "campus/learning/views.h"

#include "campus/learning/sql.h"
#include "campus/learning/sql_accesses.h"

namespace campus::learning {

using namespace loadstone;

namespace {

Task<std::vector<ActiveDay>> compute_active_days(Reader reader, CoursesAndDay key) {
    co_return co_await sql::active_days(reader, key.courses, key.since);
}

Task<std::vector<LessonReach>> compute_lesson_reach(Reader reader, courses::CourseId course) {
    return sql::lesson_reach(reader, course);
}

Task<std::vector<GradeBin>> compute_grades(Reader reader, courses::CourseId course) {
    return sql::grade_bins(reader, course);
}

}  // namespace

const cache::View<CoursesAndDay, std::vector<ActiveDay>> active_days_of_courses{
    .name = "learning.active_days",
    .compute = compute_active_days,
    .reads = {{"lesson_progress", "course_id"}, {"quiz_attempts", "course_id"}},
};

const cache::View<courses::CourseId, std::vector<LessonReach>> lesson_reach_of_course{
    .name = "learning.lesson_reach",
    .compute = compute_lesson_reach,
    .reads = {{"lesson_progress", "course_id"}},
};

const cache::View<courses::CourseId, std::vector<GradeBin>> grades_of_course{
    .name = "learning.grades",
    .compute = compute_grades,
    .reads = {{"grades", "course_id"}},
};

cache::Sources view_sources() {
    cache::Sources sources;
    sources.accesses.assign(sql::accesses.begin(), sql::accesses.end());
    for (const auto* reads :
         {&active_days_of_courses.reads, &lesson_reach_of_course.reads, &grades_of_course.reads})
        sources.watched.insert(sources.watched.end(), reads->begin(), reads->end());
    return sources;
}

}  // namespace campus::learning
