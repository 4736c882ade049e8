#include "campus/learning/views.h"

#include <chrono>
#include <utility>

#include "campus/learning/queries.h"
#include "campus/learning/sql.h"
#include "campus/learning/sql_accesses.h"

namespace campus::learning {

using namespace loadstone;

namespace {

Task<std::vector<ActiveDay>> compute_active_days(Reader reader, CoursesAndDay key) {
    co_return co_await sql::active_days(reader, key.courses, key.first_day);
}

Task<std::vector<ActiveLearners>> compute_active_learners(Reader reader, CoursesAndDay key) {
    co_return co_await sql::active_learners(reader, key.courses, key.first_day);
}

Task<std::vector<EnrolledIn>> compute_enrolled(Reader reader,
                                               std::vector<courses::CourseId> courses) {
    co_return co_await sql::enrolled_in(reader, courses);
}

Task<AtRiskPage> compute_at_risk(Reader reader, AtRiskKey key) {
    std::optional<sql::AtRiskCursor> after;
    if (key.after) after.emplace().user_id = *key.after;
    const Timestamp since{key.first_day * day_us};
    auto found = co_await sql::at_risk(reader, key.course.course_id, key.course.lesson_count,
                                       key.first_day, since, key.limit, after);
    AtRiskPage page;
    page.learners = std::move(found.rows);
    if (found.next) page.next_after = found.next->user_id;
    co_return page;
}

Task<AtRiskAmongPage> compute_at_risk_among(Reader reader, AtRiskAmongKey key) {
    std::optional<sql::AtRiskAmongCursor> after;
    if (key.after) {
        after.emplace().course_id = key.after->course_id;
        after->user_id = key.after->user_id;
    }
    std::vector<courses::CourseId> ids;
    for (const CourseSize& course : key.courses) ids.push_back(course.course_id);
    const Timestamp since{key.first_day * day_us};
    auto found = co_await sql::at_risk_among(reader, ids, key.courses, key.first_day, since,
                                             key.limit, after);
    AtRiskAmongPage page;
    page.learners = std::move(found.rows);
    if (found.next) page.next_after = AtRiskPlace{found.next->course_id, found.next->user_id};
    co_return page;
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

Task<std::vector<cache::Figure>> find_first_completions(Reader reader, cache::KeyRange keys) {
    const auto rows = co_await sql::first_completions_by_course(
        reader, courses::CourseId(keys.first), courses::CourseId(keys.last), keys.keys_max);
    co_return cache::figures_of(rows);
}

Task<std::vector<cache::Figure>> find_last_completions(Reader reader, cache::KeyRange keys) {
    const auto rows = co_await sql::last_completions_by_course(
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
    .reads = {{"active_days", "course_id"}},
};

const cache::View<CoursesAndDay, std::vector<ActiveLearners>> active_learners_of_courses{
    .name = "learning.active_learners",
    .compute = compute_active_learners,
    .reads = {{"active_days", "course_id"}},
};

const cache::View<std::vector<courses::CourseId>, std::vector<EnrolledIn>> enrolled_in_courses{
    .name = "learning.enrolled_in",
    .compute = compute_enrolled,
    .reads = {{"course_seats", "course_id"}},
};

const cache::View<AtRiskKey, AtRiskPage> at_risk_in_course{
    .name = "learning.at_risk",
    .compute = compute_at_risk,
    .reads = {{"enrolments", "course_id"}},
};

const cache::View<AtRiskAmongKey, AtRiskAmongPage> at_risk_in_courses{
    .name = "learning.at_risk_among",
    .compute = compute_at_risk_among,
    .reads = {{"enrolments", "course_id"}},
    // Of a large organisation somebody begins or goes on all the time: not all of its admins wait
    // until that is looked at.
    .stale_for = std::chrono::seconds(30),
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
const cache::Aggregate first_completion_of_course{.name = "learning.first_completion",
                                                  .kind = cache::AggregateKind::least,
                                                  .recompute = find_first_completions};
const cache::Aggregate last_completion_of_course{.name = "learning.last_completion",
                                                 .kind = cache::AggregateKind::greatest,
                                                 .recompute = find_last_completions};
const cache::Aggregate graded_in_course{.name = "learning.graded", .recompute = count_grades};
const cache::Aggregate grade_sum_of_course{.name = "learning.grade_sum", .recompute = sum_grades};
const cache::Aggregate enrolled_in_course{
    .name = "learning.enrolled", .kind = cache::AggregateKind::ranked, .recompute = count_enrolled};

void views(Views& views) {
    views.statements(sql::accesses);
    views.add(active_days_of_courses);
    views.add(active_learners_of_courses);
    views.add(enrolled_in_courses);
    views.add(at_risk_in_course);
    views.add(at_risk_in_courses);
    views.add(lesson_reach_of_course);
    views.add(grades_of_course);
    views.add(completions_of_course);
    views.add(first_completion_of_course);
    views.add(last_completion_of_course);
    views.add(graded_in_course);
    views.add(grade_sum_of_course);
    views.add(enrolled_in_course);
}

}  // namespace campus::learning
