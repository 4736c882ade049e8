#include "campus/dashboards/organisation.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "campus/dashboards/course_lines.h"
#include "campus/dashboards/days.h"
#include "campus/dashboards/fresh.h"
#include "campus/learning/learning.h"
#include "campus/organisations/organisations.h"
#include "loadstone/cache/as_of.h"

namespace campus::dashboards {

using namespace loadstone;

namespace {

constexpr int courses_max = 1'000;  // that are added up
constexpr int top_shown = 10;

struct OrganisationDashboard {
    std::int64_t courses = 0;    // drafts too
    bool is_partial = false;     // there are older ones, which are not in these figures
    std::int64_t enrolled = 0;   // now; who takes two courses counts twice
    std::int64_t completed = 0;  // also by those who have left
    std::vector<Day> days;       // the last 30 with today, oldest first; a learner counts once
    std::vector<CourseLine> top_courses;  // 10 of all, by learners who are enrolled
    Timestamp as_of;                      // all that was committed by then is counted
};
BOOST_DESCRIBE_STRUCT(OrganisationDashboard, (),
                      (courses, is_partial, enrolled, completed, days, top_courses, as_of))

struct PageOfOrganisation {
    std::optional<std::int64_t> before;
    std::optional<int> limit;
};
BOOST_DESCRIBE_STRUCT(PageOfOrganisation, (), (before, limit))

void validate(Check& check, const PageOfOrganisation& page) {
    check.range("before", page.before.value_or(1), 1, std::numeric_limits<std::int64_t>::max());
    check.range("limit", page.limit.value_or(20), 1, 100);
}

struct OrganisationCourses {
    std::vector<CourseLine> courses;               // newest first
    std::optional<courses::CourseId> next_before;  // for the next page; null at the end
    Timestamp as_of;                               // as of the dashboard
};
BOOST_DESCRIBE_STRUCT(OrganisationCourses, (), (courses, next_before, as_of))

// The last one of the page before, both or neither.
struct PageAtRisk {
    std::optional<std::int64_t> after_course, after_user;
    std::optional<int> limit;
};
BOOST_DESCRIBE_STRUCT(PageAtRisk, (), (after_course, after_user, limit))

void validate(Check& check, const PageAtRisk& page) {
    const auto most = std::numeric_limits<std::int64_t>::max();
    check.range("after_course", page.after_course.value_or(1), 1, most);
    check.range("after_user", page.after_user.value_or(1), 1, most);
    check.that("after_user", page.after_course.has_value() == page.after_user.has_value(),
               "goes with after_course");
    check.range("limit", page.limit.value_or(50), 1, 200);
}

struct AtRiskLearner {
    courses::CourseId course;
    accounts::UserId user;
    Timestamp enrolled_at;
    std::int64_t lessons_completed = 0;
};
BOOST_DESCRIBE_STRUCT(AtRiskLearner, (), (course, user, enrolled_at, lessons_completed))

struct OrganisationAtRisk {
    bool is_partial = false;             // as of the dashboard
    std::vector<AtRiskLearner> at_risk;  // by course and learner
    // For the next page; null at the end.
    std::optional<courses::CourseId> next_after_course;
    std::optional<accounts::UserId> next_after_user;
    Timestamp as_of;  // as of the dashboard
};
BOOST_DESCRIBE_STRUCT(OrganisationAtRisk, (),
                      (is_partial, at_risk, next_after_course, next_after_user, as_of))

Task<organisations::OrganisationId> administered(Context& context) {
    const accounts::UserId user(context.require_session().user);
    const auto own =
        co_await organisations::require_role(context, user, organisations::Role::admin);
    co_return own.organisation;
}

struct Sizes {
    std::vector<courses::CourseSize> courses;
    bool is_partial = false;
};

Task<Sizes> sizes_of(Context& context, organisations::OrganisationId organisation) {
    Sizes sizes;
    sizes.courses = co_await courses::sizes_of_organisation(context, organisation, courses_max + 1);
    sizes.is_partial = sizes.courses.size() > courses_max;
    if (sizes.is_partial) sizes.courses.pop_back();
    co_return sizes;
}

// In the order of `ids`.
Task<std::vector<CourseLine>> lines_in_order(Context& context, std::vector<courses::CourseId> ids) {
    auto found = co_await courses::courses_by_id(context, ids);
    std::ranges::sort(found, {}, [&](const courses::Course& course) {
        return std::ranges::find(ids, course.id) - ids.begin();
    });
    co_return co_await lines_of(context.reader(), std::move(found));
}

Task<Reply<OrganisationDashboard>> of_organisation(Context& context) {
    const auto organisation = co_await administered(context);
    const Timestamp as_of = co_await cache::as_of(context);
    const Sizes sizes = co_await sizes_of(context, organisation);
    std::vector<courses::CourseId> ids;
    for (const courses::CourseSize& course : sizes.courses) ids.push_back(course.id);
    const auto totals = co_await learning::totals(context.reader(), ids);
    const auto top =
        co_await learning::popular_courses_of(context.reader(), organisation, top_shown);
    std::vector<courses::CourseId> top_ids;
    for (const learning::PopularCourse& one : top) top_ids.push_back(one.course);
    OrganisationDashboard shown;
    shown.courses = std::ssize(ids);
    shown.is_partial = sizes.is_partial;
    shown.enrolled = totals.enrolled;
    shown.completed = totals.completed;
    shown.days = co_await last_days(context.reader(), std::move(ids), Timestamp::now());
    shown.top_courses = co_await lines_in_order(context, std::move(top_ids));
    co_return fresh(context, std::move(shown), as_of);
}

Task<Reply<OrganisationCourses>> courses_of(Context& context, Parameters<PageOfOrganisation> page) {
    const auto organisation = co_await administered(context);
    const Timestamp as_of = co_await cache::as_of(context);
    std::optional<courses::CourseId> before;
    if (page->before) before = courses::CourseId(*page->before);
    auto found = co_await courses::courses_of_organisation(context, organisation, before,
                                                           page->limit.value_or(20));
    OrganisationCourses shown;
    shown.next_before = found.next_before;
    shown.courses = co_await lines_of(context.reader(), std::move(found.courses));
    co_return fresh(context, std::move(shown), as_of);
}

Task<Reply<OrganisationAtRisk>> at_risk_of(Context& context, Parameters<PageAtRisk> page) {
    const auto organisation = co_await administered(context);
    const Timestamp as_of = co_await cache::as_of(context);
    const Sizes sizes = co_await sizes_of(context, organisation);
    std::vector<learning::CourseSize> rows;
    for (const courses::CourseSize& course : sizes.courses)
        rows.push_back({course.id, course.lesson_count});
    std::optional<learning::AtRiskPlace> after;
    if (page->after_course && page->after_user) {
        after.emplace().course_id = courses::CourseId(*page->after_course);
        after->user_id = accounts::UserId(*page->after_user);
    }
    const Timestamp since = days_before(idle_days_default, Timestamp::now());
    const auto found = co_await learning::at_risk_among(context.reader(), std::move(rows), since,
                                                        after, page->limit.value_or(50));
    OrganisationAtRisk shown;
    shown.is_partial = sizes.is_partial;
    if (found.next_after) {
        shown.next_after_course = found.next_after->course_id;
        shown.next_after_user = found.next_after->user_id;
    }
    for (const learning::AtRiskAmong& one : found.learners)
        shown.at_risk.push_back(
            {one.course_id, one.user_id, one.enrolled_at, one.lessons_completed});
    co_return fresh(context, std::move(shown), as_of);
}

}  // namespace

void organisation_routes(Routes& routes) {
    routes.get("/api/dashboards/organisation", of_organisation)
        .summary_is(
            "One's organisation: activity, enrolments, completions, top courses; for admins")
        .revalidated()
        .heavy_on_reads()
        .stale_allowed(stale_max)
        .may_answer(403);
    routes.get("/api/dashboards/organisation/courses", courses_of)
        .summary_is("The courses of one's organisation, as their instructors see them; for admins")
        .revalidated()
        .heavy_on_reads()
        .stale_allowed(stale_max)
        .may_answer(403);
    routes.get("/api/dashboards/organisation/at-risk", at_risk_of)
        .summary_is("Learners at risk in the courses of one's organisation; for admins")
        .revalidated()
        .heavy_on_reads()
        .stale_allowed(stale_max)
        .may_answer(403);
}

}  // namespace campus::dashboards
