#include "campus/dashboards/questions.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "campus/dashboards/days.h"
#include "campus/dashboards/fresh.h"
#include "campus/learning/learning.h"
#include "campus/organisations/organisations.h"

namespace campus::dashboards {

using namespace loadstone;

namespace {

constexpr std::size_t courses_max = 1'000;  // that are asked about, the newest
constexpr int courses_at_once = 100;
constexpr std::size_t score_bands = 10;

struct Span {
    // Of activity and top courses: so many whole days (UTC), of which today is the last; 30.
    std::optional<int> days;
    std::optional<int> idle_days;  // without activity: at risk; 14
};
BOOST_DESCRIBE_STRUCT(Span, (), (days, idle_days))

void validate(Check& check, const Span& span) {
    check.range("days", span.days.value_or(30), 1, 366);
    check.range("idle_days", span.idle_days.value_or(14), 1, 366);
}

struct Funnel {
    std::int64_t enrolled = 0, began = 0, attempted = 0, completed = 0;
};
BOOST_DESCRIBE_STRUCT(Funnel, (), (enrolled, began, attempted, completed))

struct FunnelPart {
    Funnel learners;
    Timestamp as_of;
};
BOOST_DESCRIBE_STRUCT(FunnelPart, (), (learners, as_of))

struct DaysPart {
    std::vector<learning::FactsOfDay> days;  // those with activity, oldest first
    Timestamp as_of;
};
BOOST_DESCRIBE_STRUCT(DaysPart, (), (days, as_of))

struct TopCourse {
    courses::CourseId course;
    std::string title;
    std::int64_t learners = 0, lessons = 0, attempts = 0;
};
BOOST_DESCRIBE_STRUCT(TopCourse, (), (course, title, learners, lessons, attempts))

struct TopPart {
    std::vector<TopCourse> courses;  // 10 at most, by active learners
    Timestamp as_of;
};
BOOST_DESCRIBE_STRUCT(TopPart, (), (courses, as_of))

struct IdleOne {
    courses::CourseId course;
    std::string title;  // of the course
    accounts::UserId learner;
    std::string name;
    Timestamp last_active;
    std::int64_t lessons_completed = 0;
};
BOOST_DESCRIBE_STRUCT(IdleOne, (), (course, title, learner, name, last_active, lessons_completed))

struct IdlePart {
    std::int64_t total = 0;
    std::vector<IdleOne> learners;  // 50 at most, longest idle first
    Timestamp as_of;
};
BOOST_DESCRIBE_STRUCT(IdlePart, (), (total, learners, as_of))

struct ScoresPart {
    // How many attempts scored [0 %, 10 %), .. [90 %, 100 %] of what the quiz has.
    std::vector<std::int64_t> bands = std::vector<std::int64_t>(score_bands);
    std::int64_t unknown = 0;  // attempts from before that was kept with them
    Timestamp as_of;
};
BOOST_DESCRIBE_STRUCT(ScoresPart, (), (bands, unknown, as_of))

struct Answers {
    std::int64_t courses = 0;
    bool is_partial = false;  // there are older ones, which are not in these figures
    FunnelPart funnel;
    DaysPart activity;
    TopPart top_courses;
    IdlePart at_risk;
    ScoresPart scores;
};
BOOST_DESCRIBE_STRUCT(Answers, (),
                      (courses, is_partial, funnel, activity, top_courses, at_risk, scores))

struct Asked {
    std::vector<learning::CourseSize> courses;
    bool is_partial = false;
};

Task<std::unordered_map<courses::CourseId, std::string>> titles_of(
    Context& context, std::vector<courses::CourseId> ids) {
    std::unordered_map<courses::CourseId, std::string> titles;
    if (ids.empty()) co_return titles;
    auto found = co_await courses::courses_by_id(context, std::move(ids));
    for (courses::Course& course : found) titles[course.id] = std::move(course.title);
    co_return titles;
}

Task<std::unordered_map<accounts::UserId, std::string>> names_of(
    Context& context, std::vector<accounts::UserId> ids) {
    std::unordered_map<accounts::UserId, std::string> names;
    if (ids.empty()) co_return names;
    auto found = co_await accounts::people(context.reader(), std::move(ids));
    for (accounts::Person& person : found) names[person.id] = std::move(person.name);
    co_return names;
}

Task<TopPart> top_of(Context& context, std::vector<courses::CourseId> ids, Timestamp since) {
    const auto busy = co_await learning::busiest(context, std::move(ids), since);
    TopPart part;
    part.as_of = busy.as_of;
    std::vector<courses::CourseId> shown;
    for (const learning::BusyCourse& one : busy.rows) shown.push_back(one.course);
    auto titles = co_await titles_of(context, std::move(shown));
    for (const learning::BusyCourse& one : busy.rows)
        part.courses.push_back(
            {one.course, titles[one.course], one.learners, one.lessons, one.attempts});
    co_return part;
}

Task<IdlePart> idle_of(Context& context, std::vector<learning::CourseSize> courses,
                       Timestamp since) {
    const auto found = co_await learning::longest_idle_of(context, std::move(courses), since);
    std::set<courses::CourseId> ids;
    std::set<accounts::UserId> learners;
    for (const learning::IdleLearner& one : found.rows) {
        ids.insert(one.course);
        learners.insert(one.learner);
    }
    std::vector<courses::CourseId> shown(ids.begin(), ids.end());
    std::vector<accounts::UserId> named(learners.begin(), learners.end());
    auto titles = co_await titles_of(context, std::move(shown));
    auto names = co_await names_of(context, std::move(named));
    IdlePart part;
    part.as_of = found.as_of;
    for (const learning::IdleLearner& one : found.rows)
        part.learners.push_back({one.course, titles[one.course], one.learner, names[one.learner],
                                 one.last_active, one.lessons_completed});
    co_return part;
}

ScoresPart part_of(const analytics::Answer<learning::ScoreBand>& found) {
    ScoresPart part;
    part.as_of = found.as_of;
    for (const learning::ScoreBand& one : found.rows) {
        const auto band = static_cast<std::size_t>(one.band);
        (one.band < 0 || band >= score_bands ? part.unknown : part.bands[band]) += one.attempts;
    }
    return part;
}

std::array<Timestamp*, 5> times_of(Answers& answers) {
    return {&answers.funnel.as_of, &answers.activity.as_of, &answers.top_courses.as_of,
            &answers.at_risk.as_of, &answers.scores.as_of};
}

// All is of courses that were read from `began` on.
Reply<Answers> reply_with(const Context& context, Answers answers, Timestamp began) {
    const Timestamp of_courses = shown_as_of(context, began);
    Timestamp oldest = of_courses;
    for (Timestamp* const as_of : times_of(answers)) {
        *as_of = std::min(*as_of, of_courses);
        oldest = std::min(oldest, *as_of);
    }
    Answers untimed = answers;
    for (Timestamp* const as_of : times_of(untimed)) *as_of = {};
    Reply<Answers> reply{std::move(answers)};
    set_headers(reply.headers, to_json(untimed), oldest);
    return reply;
}

Task<Reply<Answers>> answers_about(Context& context, Asked asked, Span span, Timestamp began) {
    Answers answers;
    answers.courses = std::ssize(asked.courses);
    answers.is_partial = asked.is_partial;
    if (asked.courses.empty()) {  // nothing is known of them all
        for (Timestamp* const as_of : times_of(answers)) *as_of = Timestamp::now();
        co_return reply_with(context, std::move(answers), began);
    }
    const Timestamp now = Timestamp::now();
    const Timestamp since = days_before(span.days.value_or(30) - 1, now);
    const Timestamp idle_since = days_before(span.idle_days.value_or(idle_days_default), now);
    std::vector<courses::CourseId> ids;
    for (const learning::CourseSize& course : asked.courses) ids.push_back(course.course_id);
    const auto progress = co_await learning::progress_of(context, asked.courses, idle_since);
    const learning::Progress& all = progress.row;
    answers.funnel.learners = {all.enrolled, all.began, all.attempted, all.completed};
    answers.funnel.as_of = progress.as_of;
    auto activity = co_await learning::activity_by_day_among(context, ids, since);
    answers.activity.days = std::move(activity.days);
    answers.activity.as_of = activity.as_of;
    answers.at_risk = co_await idle_of(context, asked.courses, idle_since);
    answers.at_risk.total = all.idle;
    const auto scores = co_await learning::scores_of(context, ids);
    answers.scores = part_of(scores);
    answers.top_courses = co_await top_of(context, std::move(ids), since);
    co_return reply_with(context, std::move(answers), began);
}

Task<Reply<Answers>> of_instructor(Context& context, Parameters<Span> span) {
    const accounts::UserId user(context.require_session().user);
    const Timestamp began = Timestamp::now();
    Asked asked;
    std::optional<courses::CourseId> before;
    do {
        const auto page =
            co_await courses::courses_of_instructor(context, user, before, courses_at_once);
        for (const courses::Course& course : page.courses)
            asked.courses.push_back({course.id, course.lesson_count});
        before = page.next_before;
    } while (before && asked.courses.size() < courses_max);
    asked.is_partial = before.has_value();
    const Span wanted = *span;
    co_return co_await answers_about(context, std::move(asked), wanted, began);
}

Task<Reply<Answers>> of_organisation(Context& context, Parameters<Span> span) {
    const accounts::UserId user(context.require_session().user);
    const Timestamp began = Timestamp::now();
    const auto own =
        co_await organisations::require_role(context, user, organisations::Role::admin);
    const auto sizes = co_await courses::sizes_of_organisation(context, own.organisation,
                                                               static_cast<int>(courses_max) + 1);
    Asked asked;
    asked.is_partial = sizes.size() > courses_max;
    for (const courses::CourseSize& course : sizes) {
        if (asked.courses.size() < courses_max)
            asked.courses.push_back({course.id, course.lesson_count});
    }
    const Span wanted = *span;
    co_return co_await answers_about(context, std::move(asked), wanted, began);
}

}  // namespace

void question_routes(Routes& routes) {
    routes.get("/api/dashboards/instructor/analytics", of_instructor)
        .summary_is(
            "One's own courses, from the column store: funnel, days, top courses, at risk, scores")
        .revalidated()
        .heavy_on_reads()
        .stale_allowed(stale_max)
        .limit_per_address(60, std::chrono::seconds(60));
    routes.get("/api/dashboards/organisation/analytics", of_organisation)
        .summary_is(
            "One's organisation, from the column store: funnel, days, top courses, at risk, "
            "scores; "
            "for admins")
        .revalidated()
        .heavy_on_reads()
        .stale_allowed(stale_max)
        .limit_per_address(60, std::chrono::seconds(60))
        .may_answer(403);
}

}  // namespace campus::dashboards
