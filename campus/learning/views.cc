#include "campus/learning/views.h"

#include "campus/learning/queries.h"
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

Task<std::vector<cache::Figure>> count_completions(Reader reader, cache::KeyRange keys) {
    const auto rows = co_await sql::completions_by_course(
        reader, courses::CourseId(keys.first), courses::CourseId(keys.last), keys.keys_max);
    co_return cache::figures_of(rows);
}

Task<std::vector<cache::Figure>> count_grades(Reader reader, cache::KeyRange keys) {
    const auto rows = co_await sql::graded_by_course(reader, courses::CourseId(keys.first),
                                                     courses::CourseId(keys.last), keys.keys_max);
    co_return cache::figures_of(rows);
}

Task<std::vector<cache::Figure>> sum_grades(Reader reader, cache::KeyRange keys) {
    const auto rows = co_await sql::grade_sums_by_course(
        reader, courses::CourseId(keys.first), courses::CourseId(keys.last), keys.keys_max);
    co_return cache::figures_of(rows);
}

Task<std::vector<cache::Figure>> count_enrolled(Reader reader, cache::KeyRange keys) {
    const auto rows = co_await sql::enrolled_by_course(reader, courses::CourseId(keys.first),
                                                       courses::CourseId(keys.last), keys.keys_max);
    auto figures = cache::figures_of(rows);
    std::vector<courses::CourseId> ids;
    for (const cache::Figure& figure : figures) ids.emplace_back(figure.key);
    const auto organisations = co_await organisations_of(reader, std::move(ids));
    for (cache::Figure& figure : figures) {
        const auto found = organisations.find(courses::CourseId(figure.key));
        if (found != organisations.end()) figure.group = found->second.value;
    }
    co_return figures;
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
    .once_in_cluster = true,  // it reads all that a course's learners have done
};

const cache::View<courses::CourseId, std::vector<GradeBin>> grades_of_course{
    .name = "learning.grades",
    .compute = compute_grades,
    .reads = {{"grades", "course_id"}},
};

const cache::Aggregate completions_of_course{.name = "learning.completions",
                                             .recompute = count_completions};
const cache::Aggregate graded_in_course{.name = "learning.graded", .recompute = count_grades};
const cache::Aggregate grade_sum_of_course{.name = "learning.grade_sum", .recompute = sum_grades};
const cache::Aggregate enrolled_in_course{
    .name = "learning.enrolled", .kind = cache::AggregateKind::ranked, .recompute = count_enrolled};

void views(Views& views) {
    views.statements(sql::accesses);
    views.add(active_days_of_courses);
    views.add(lesson_reach_of_course);
    views.add(grades_of_course);
    views.add(completions_of_course);
    views.add(graded_in_course);
    views.add(grade_sum_of_course);
    views.add(enrolled_in_course);
}

}  // namespace campus::learning
