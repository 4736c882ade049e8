#include <utility>

#include "campus/learning/grade.h"
#include "campus/learning/learning.h"
#include "campus/learning/sql.h"
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

}  // namespace

Task<std::vector<Standing>> standings(Reader reader, std::vector<courses::CourseId> courses,
                                      Timestamp since) {
    const auto rows = co_await sql::standings(reader, courses, since);
    const std::vector<const cache::Aggregate*> kept_of_course{
        &completions_of_course, &graded_in_course, &grade_sum_of_course};
    const auto figures = co_await cache::kept(reader, kept_of_course, courses);
    std::vector<Standing> standings;
    for (const auto& row : rows) {
        Standing& one = standings.emplace_back();
        one.course_id = row.course_id;
        one.enrolled = row.enrolled;
        one.active = row.active;
        one.completed = figures.of(completions_of_course, row.course_id);
        one.graded = figures.of(graded_in_course, row.course_id);
        one.grade_sum = figures.of(grade_sum_of_course, row.course_id);
    }
    co_return standings;
}

Task<std::vector<ActiveDay>> active_days(Reader reader, std::vector<courses::CourseId> courses,
                                         Timestamp since) {
    const CoursesAndDay key{std::move(courses), since};
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

Task<AtRiskPage> at_risk(Reader reader, courses::CourseId course, std::int64_t lesson_count,
                         Timestamp since, std::optional<accounts::UserId> after, int limit) {
    std::optional<sql::AtRiskCursor> cursor;
    if (after) cursor.emplace().user_id = *after;
    auto found = co_await sql::at_risk(reader, course, lesson_count, since, limit, cursor);
    AtRiskPage page;
    page.learners = std::move(found.rows);
    if (found.next) page.next_after = found.next->user_id;
    co_return page;
}

Task<CourseTotals> totals(Reader reader, std::vector<courses::CourseId> courses) {
    CourseTotals totals;
    totals.enrolled = co_await sql::seats_of_courses(reader, courses);
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
    std::optional<sql::AtRiskAmongCursor> cursor;
    if (after) {
        cursor.emplace().course_id = after->course_id;
        cursor->user_id = after->user_id;
    }
    auto found = co_await sql::at_risk_among(reader, courses, since, limit, cursor);
    AtRiskAmongPage page;
    page.learners = std::move(found.rows);
    if (found.next) page.next_after = AtRiskPlace{found.next->course_id, found.next->user_id};
    co_return page;
}

}  // namespace campus::learning
