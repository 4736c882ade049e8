#include <utility>

#include "campus/learning/grade.h"
#include "campus/learning/learning.h"
#include "campus/learning/sql.h"
#include "campus/learning/views.h"

namespace campus::learning {

using namespace loadstone;

Task<std::vector<Standing>> standings(Reader reader, std::vector<courses::CourseId> courses,
                                      Timestamp since) {
    co_return co_await sql::standings(reader, courses, since);
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
    co_return co_await sql::totals_of_courses(reader, courses);
}

Task<std::vector<courses::CourseId>> most_taken(Reader reader,
                                                std::vector<courses::CourseId> courses, int limit) {
    co_return co_await sql::most_taken(reader, courses, limit);
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
