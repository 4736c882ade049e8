#include "campus/dashboards/routes.h"

#include <fmt/core.h>

#include <limits>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "campus/accounts/accounts.h"
#include "campus/courses/courses.h"
#include "campus/dashboards/course_lines.h"
#include "campus/dashboards/days.h"
#include "campus/dashboards/fresh.h"
#include "campus/dashboards/organisation.h"
#include "campus/dashboards/page.h"
#include "campus/dashboards/questions.h"
#include "campus/learning/learning.h"
#include "loadstone/base/error.h"
#include "loadstone/cache/as_of.h"
#include "loadstone/runtime/certain_reads.h"

namespace campus::dashboards {

using namespace loadstone;

namespace {

struct PageOfCourses {
    std::optional<std::int64_t> before;
    std::optional<int> limit;
};
BOOST_DESCRIBE_STRUCT(PageOfCourses, (), (before, limit))

void validate(Check& check, const PageOfCourses& page) {
    check.range("before", page.before.value_or(1), 1, std::numeric_limits<std::int64_t>::max());
    check.range("limit", page.limit.value_or(20), 1, 100);
}

struct InstructorDashboard {
    std::vector<CourseLine> courses;               // newest first
    std::optional<courses::CourseId> next_before;  // for the next page; null at the end
    Timestamp as_of;                               // all that was committed by then is counted
};
BOOST_DESCRIBE_STRUCT(InstructorDashboard, (), (courses, next_before, as_of))

struct PageOfLearners {
    std::optional<std::int64_t> after;
    std::optional<int> limit;
};
BOOST_DESCRIBE_STRUCT(PageOfLearners, (), (after, limit))

void validate(Check& check, const PageOfLearners& page) {
    check.range("after", page.after.value_or(1), 1, std::numeric_limits<std::int64_t>::max());
    check.range("limit", page.limit.value_or(50), 1, 200);
}

struct Step {
    courses::LessonId lesson;
    std::int64_t number = 0;
    std::string title;
    std::int64_t begun = 0, completed = 0;
};
BOOST_DESCRIBE_STRUCT(Step, (), (lesson, number, title, begun, completed))

struct LearnerAtRisk {
    accounts::UserId user;
    Timestamp enrolled_at;
    std::int64_t lessons_completed = 0;
};
BOOST_DESCRIBE_STRUCT(LearnerAtRisk, (), (user, enrolled_at, lessons_completed))

struct CourseDashboard {
    courses::CourseId course;
    std::string title;
    std::vector<Day> days;             // the last 30 with today, oldest first
    std::vector<Step> funnel;          // by lesson, in order
    std::vector<std::int64_t> grades;  // in [0 %, 10 %), .. [90 %, 100 %]
    std::vector<LearnerAtRisk> at_risk;
    std::optional<accounts::UserId> next_after;  // of them; null at the end
    Timestamp as_of;                             // all that was committed by then is counted
};
BOOST_DESCRIBE_STRUCT(CourseDashboard, (),
                      (course, title, days, funnel, grades, at_risk, next_after, as_of))

accounts::UserId user_of(Context& context) {
    return accounts::UserId(context.require_session().user);
}

Task<Reply<InstructorDashboard>> of_instructor(Context& context, Parameters<PageOfCourses> page) {
    std::optional<courses::CourseId> before;
    if (page->before) before = courses::CourseId(*page->before);
    const Timestamp as_of = co_await cache::as_of(context);
    auto found = co_await courses::courses_of_instructor(context, user_of(context), before,
                                                         page->limit.value_or(20));
    InstructorDashboard shown;
    shown.next_before = found.next_before;
    shown.courses = co_await lines_of(context.reader(), std::move(found.courses));
    co_return fresh(context, std::move(shown), as_of);
}

std::vector<Step> funnel_of(std::vector<courses::Outline::Item> lessons,
                            const std::vector<learning::LessonReach>& reached) {
    std::unordered_map<courses::LessonId, learning::LessonReach> of_lesson;
    for (const learning::LessonReach& one : reached) of_lesson[one.lesson_id] = one;
    std::vector<Step> funnel;
    for (courses::Outline::Item& lesson : lessons) {
        const learning::LessonReach& reach = of_lesson[lesson.id];
        funnel.push_back(
            {lesson.id, lesson.number, std::move(lesson.title), reach.begun, reach.completed});
    }
    return funnel;
}

// Another's draft is not found, as elsewhere.
Task<courses::Outline> own_course(Context& context, courses::CourseId id) {
    const runtime::CertainReads certain(context.reading());
    auto course = co_await courses::outline(context.reader(), id);
    const bool is_own = course && course->instructor_id == user_of(context);
    if (!course || (!is_own && course->state != "published"))
        throw Error(Errc::not_found, fmt::format("there is no course {}", id.value));
    if (!is_own)
        throw Error(Errc::permission_denied,
                    fmt::format("course {} is another instructor's", id.value));
    co_return std::move(*course);
}

Task<Reply<CourseDashboard>> of_course(Context& context, Path<courses::CourseId> id,
                                       Parameters<PageOfLearners> page) {
    const Timestamp as_of = co_await cache::as_of(context);
    courses::Outline course = co_await own_course(context, id.value);
    const auto lesson_count = static_cast<std::int64_t>(course.lessons.size());
    const Timestamp now = Timestamp::now();
    std::vector<courses::CourseId> only{course.id};
    auto days = co_await last_days(context.reader(), std::move(only), now);
    const auto reached = co_await learning::lesson_reach(context.reader(), course.id);
    auto grades = co_await learning::grade_distribution(context.reader(), course.id);
    std::optional<accounts::UserId> after;
    if (page->after) after = accounts::UserId(*page->after);
    const Timestamp idle_since = days_before(idle_days_default, now);
    const learning::CourseSize size{course.id, lesson_count};
    const auto at_risk = co_await learning::at_risk(context.reader(), size, idle_since, after,
                                                    page->limit.value_or(50));
    CourseDashboard shown;
    shown.grades = std::move(grades);
    shown.course = course.id;
    shown.title = std::move(course.title);
    shown.days = std::move(days);
    shown.funnel = funnel_of(std::move(course.lessons), reached);
    shown.next_after = at_risk.next_after;
    for (const learning::AtRisk& one : at_risk.learners)
        shown.at_risk.push_back({one.user_id, one.enrolled_at, one.lessons_completed});
    co_return fresh(context, std::move(shown), as_of);
}

struct CourseActivity {
    courses::CourseId course;
    // Of the last 365 with today, those with activity, oldest first.
    std::vector<learning::FactsOfDay> days;
    Timestamp as_of;  // what was committed later is not counted yet
};
BOOST_DESCRIBE_STRUCT(CourseActivity, (), (course, days, as_of))

Task<Reply<CourseActivity>> activity_of_course(Context& context, Path<courses::CourseId> id) {
    const courses::Outline course = co_await own_course(context, id.value);
    const Timestamp since = days_before(364, Timestamp::now());
    auto activity = co_await learning::activity_by_day_of(context, course.id, since);
    CourseActivity shown;
    shown.course = course.id;
    shown.days = std::move(activity.days);
    co_return fresh(context, std::move(shown), activity.as_of);
}

}  // namespace

void routes(Routes& routes) {
    routes.get("/api/dashboards/instructor", of_instructor)
        .summary_is("One's own courses: enrolled, active, completed, average grade")
        .revalidated()
        .heavy_on_reads()
        .stale_allowed(stale_max);
    routes.get("/api/dashboards/courses/{course}", of_course)
        .summary_is("A course of one's own: activity, lessons, grades, learners at risk")
        .revalidated()
        .heavy_on_reads()
        .stale_allowed(stale_max)
        .may_answer(403)
        .may_answer(404);
    routes.get("/api/dashboards/courses/{course}/activity", activity_of_course)
        .summary_is("A course of one's own: what was done on each day, from the column store")
        .revalidated()
        .heavy_on_reads()
        .stale_allowed(stale_max)
        .may_answer(403)
        .may_answer(404);
    organisation_routes(routes);
    question_routes(routes);
    page_routes(routes);
}

}  // namespace campus::dashboards
