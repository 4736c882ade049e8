#include <optional>
#include <unordered_map>
#include <utility>

#include "campus/learning/grade.h"
#include "campus/learning/learning.h"
#include "campus/learning/views.h"

namespace campus::learning {

using namespace loadstone;

namespace {

std::vector<PopularCourse> popular(const std::vector<cache::Figure>& figures) {
    std::vector<PopularCourse> courses;
    for (const cache::Figure& figure : figures)
        courses.push_back({courses::CourseId(figure.key), figure.value});
    return courses;
}

std::optional<Timestamp> time_of(const cache::Figures& figures, const cache::Aggregate& aggregate,
                                 courses::CourseId course) {
    const auto found = figures.find(aggregate, course.value);
    if (!found) return std::nullopt;
    return Timestamp{*found};
}

}  // namespace

Task<std::vector<Standing>> standings(Reader reader, std::vector<courses::CourseId> courses,
                                      Timestamp since) {
    const auto enrolled = co_await cache::value(reader.context(), enrolled_in_courses, courses);
    const CoursesAndDay key{courses, day_of(since)};
    const auto active = co_await cache::value(reader.context(), active_learners_of_courses, key);
    std::unordered_map<courses::CourseId, std::int64_t> active_in;
    for (const ActiveLearners& one : active) active_in[one.course_id] = one.learners;
    const std::vector<const cache::Aggregate*> kept_of_course{
        &completions_of_course, &first_completion_of_course, &last_completion_of_course,
        &graded_in_course, &grade_sum_of_course};
    const auto figures = co_await cache::kept(reader, kept_of_course, courses);
    std::vector<Standing> standings;
    for (const EnrolledIn& each : enrolled) {
        Standing& one = standings.emplace_back();
        one.course_id = each.course_id;
        one.enrolled = each.taken;
        one.active = active_in[each.course_id];
        one.completed = figures.of(completions_of_course, each.course_id);
        one.first_completed_at = time_of(figures, first_completion_of_course, each.course_id);
        one.last_completed_at = time_of(figures, last_completion_of_course, each.course_id);
        one.graded = figures.of(graded_in_course, each.course_id);
        one.grade_sum = figures.of(grade_sum_of_course, each.course_id);
    }
    co_return standings;
}

Task<std::vector<ActiveDay>> active_days(Reader reader, std::vector<courses::CourseId> courses,
                                         Timestamp since) {
    const CoursesAndDay key{std::move(courses), day_of(since)};
    co_return co_await cache::value(reader.context(), active_days_of_courses, key);
}

Task<std::vector<LessonReach>> lesson_reach(Reader reader, courses::CourseId course) {
    co_return co_await cache::value(reader.context(), lesson_reach_of_course, course);
}

Task<std::vector<std::int64_t>> grade_distribution(Reader reader, courses::CourseId course) {
    const auto bins = co_await cache::value(reader.context(), grades_of_course, course);
    std::vector<std::int64_t> all(bucket_count);
    for (const GradeBin& bin : bins) all.at(static_cast<std::size_t>(bin.bin)) = bin.learners;
    co_return all;
}

Task<AtRiskPage> at_risk(Reader reader, CourseSize course, Timestamp since,
                         std::optional<accounts::UserId> after, int limit) {
    const AtRiskKey key{course, day_of(since), after, limit};
    co_return co_await cache::value(reader.context(), at_risk_in_course, key);
}

Task<CourseTotals> totals(Reader reader, std::vector<courses::CourseId> courses) {
    CourseTotals totals;
    const auto enrolled = co_await cache::value(reader.context(), enrolled_in_courses, courses);
    for (const EnrolledIn& one : enrolled) totals.enrolled += one.taken;
    const std::vector<const cache::Aggregate*> only{&completions_of_course};
    const auto figures = co_await cache::kept(reader, only, courses);
    for (const courses::CourseId course : courses)
        totals.completed += figures.of(completions_of_course, course);
    co_return totals;
}

Task<std::vector<PopularCourse>> popular_courses(Reader reader, int limit) {
    const auto most = co_await cache::top(reader, enrolled_in_course, limit);
    co_return popular(most);
}

Task<std::vector<PopularCourse>> popular_courses_of(Reader reader,
                                                    organisations::OrganisationId organisation,
                                                    int limit) {
    const auto most = co_await cache::top(reader, enrolled_in_course, organisation, limit);
    co_return popular(most);
}

Task<AtRiskAmongPage> at_risk_among(Reader reader, std::vector<CourseSize> courses, Timestamp since,
                                    std::optional<AtRiskPlace> after, int limit) {
    const AtRiskAmongKey key{std::move(courses), day_of(since), after, limit};
    co_return co_await cache::value(reader.context(), at_risk_in_courses, key);
}

}  // namespace campus::learning
