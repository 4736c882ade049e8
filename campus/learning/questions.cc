// What is asked of the column store about several courses.

#include <fmt/core.h>

#include <string>
#include <utility>

#include "campus/learning/facts.h"

namespace campus::learning {

using namespace loadstone;

namespace {

// $1: course ids, with commas between. In ClickHouse times are microseconds, and a name that a
// statement gives hides a column of that name.
constexpr analytics::Query activity_of_period{
    "learning.activity_of_period",
    "select happened_at, course, learner, kind, lesson, quiz, points "
    "from learning_activity where course in (select unnest(string_split($1, ',')::bigint[])) "
    "and happened_at >= make_timestamp($2) and happened_at < make_timestamp($3) "
    "order by happened_at, course, learner, kind",
    "select happened_at, course, learner, kind, lesson, quiz, points "
    "from learning_activity where course in (select "
    "arrayJoin(arrayMap(x -> toInt64(x), splitByChar(',', $1)))) "
    "and happened_at >= $2 and happened_at < $3 order by happened_at, course, learner, kind",
    "happened_at"};

constexpr analytics::Query funnel{
    "learning.funnel",
    "select count(*) filter (where enrolled) as enrolled, count(*) filter (where began) as began, "
    "count(*) filter (where attempted) as attempted, "
    "count(*) filter (where completed) as completed from ("
    "select bool_or(kind = 'enrolled') as enrolled, "
    "bool_or(kind in ('lesson_completed', 'quiz_attempted')) as began, "
    "bool_or(kind = 'quiz_attempted') as attempted, "
    "bool_or(kind = 'course_completed') as completed from learning_activity "
    "where course in (select unnest(string_split($1, ',')::bigint[])) group by course, learner)",
    "select countIf(a > 0) as enrolled, countIf(b > 0) as began, countIf(c > 0) as attempted, "
    "countIf(d > 0) as completed from (select countIf(kind = 'enrolled') as a, "
    "countIf(kind in ('lesson_completed', 'quiz_attempted')) as b, "
    "countIf(kind = 'quiz_attempted') as c, countIf(kind = 'course_completed') as d "
    "from learning_activity where course in (select "
    "arrayJoin(arrayMap(x -> toInt64(x), splitByChar(',', $1)))) group by course, learner)"};

constexpr analytics::Query busiest_courses{
    "learning.busiest_courses",
    "select course, count(distinct learner) as learners, "
    "count(*) filter (where kind = 'lesson_completed') as lessons, "
    "count(*) filter (where kind = 'quiz_attempted') as attempts from learning_activity "
    "where course in (select unnest(string_split($1, ',')::bigint[])) "
    "and happened_at >= make_timestamp($2) and kind <> 'left' "
    "group by course order by learners desc, course limit 10",
    "select course, uniqExact(learner) as learners, countIf(kind = 'lesson_completed') as lessons, "
    "countIf(kind = 'quiz_attempted') as attempts from learning_activity "
    "where course in (select arrayJoin(arrayMap(x -> toInt64(x), splitByChar(',', $1)))) "
    "and happened_at >= $2 and kind <> 'left' group by course "
    "order by learners desc, course limit 10"};

// Who came back after leaving has more enrolments than ends. ClickHouse 18.16 has no windows.
constexpr analytics::Query idle{
    "learning.idle_learners",
    "select course, learner, last_active, lessons_completed, count(*) over () as total "
    "from (select course, learner, max(happened_at) as last_active, "
    "count(*) filter (where kind = 'lesson_completed') as lessons_completed "
    "from learning_activity where course in (select unnest(string_split($1, ',')::bigint[])) "
    "group by course, learner "
    "having count(*) filter (where kind = 'enrolled') > count(*) filter (where kind = 'left') "
    "and not bool_or(kind = 'course_completed') and max(happened_at) < make_timestamp($2)) "
    "order by last_active, course, learner limit 50",
    "select x.2 as course, x.3 as learner, x.1 as last_active, x.4 as lessons_completed, total "
    "from (select count() as total, arrayJoin(arraySlice(arraySort(groupArray("
    "(at, course, learner, lessons))), 1, 50)) as x from (select course, learner, "
    "max(happened_at) as at, countIf(kind = 'lesson_completed') as lessons from learning_activity "
    "where course in (select arrayJoin(arrayMap(x -> toInt64(x), splitByChar(',', $1)))) "
    "group by course, learner having countIf(kind = 'enrolled') > countIf(kind = 'left') "
    "and countIf(kind = 'course_completed') = 0 and at < $2)) "
    "order by last_active, course, learner"};

constexpr analytics::Query activity_by_day{
    "learning.activity_by_day_among",
    "select date_trunc('day', happened_at)::timestamp as day, count(distinct learner) as learners, "
    "count(*) filter (where kind = 'lesson_completed') as lessons, "
    "count(*) filter (where kind = 'quiz_attempted') as attempts from learning_activity "
    "where course in (select unnest(string_split($1, ',')::bigint[])) "
    "and happened_at >= make_timestamp($2) group by 1 order by 1",
    "select intDiv(happened_at, 86400000000) * 86400000000 as day, uniqExact(learner) as learners, "
    "countIf(kind = 'lesson_completed') as lessons, countIf(kind = 'quiz_attempted') as attempts "
    "from learning_activity where course in (select "
    "arrayJoin(arrayMap(x -> toInt64(x), splitByChar(',', $1)))) and happened_at >= $2 "
    "group by day order by day"};

std::string list_of(const std::vector<courses::CourseId>& courses) {
    std::string ids = "0";  // no course has it, and a list is not empty
    for (const courses::CourseId course : courses) ids += fmt::format(",{}", course.value);
    return ids;
}

}  // namespace

Task<analytics::ExportedFile> export_activity(Context& context,
                                              std::vector<courses::CourseId> courses, Period period,
                                              std::string name) {
    const std::string ids = list_of(courses);
    co_return co_await analytics::export_rows(context, activity_of_period, std::move(name), ids,
                                              period.from.micros, period.to.micros);
}

Task<analytics::Answer<Funnel>> funnel_of(Context& context,
                                          std::vector<courses::CourseId> courses) {
    const std::string ids = list_of(courses);
    co_return co_await analytics::query<Funnel>(context, funnel, ids);
}

Task<analytics::Answer<BusyCourse>> busiest(Context& context,
                                            std::vector<courses::CourseId> courses,
                                            Timestamp since) {
    const std::string ids = list_of(courses);
    co_return co_await analytics::query<BusyCourse>(context, busiest_courses, ids, since.micros);
}

Task<analytics::Answer<IdleLearner>> idle_learners(Context& context,
                                                   std::vector<courses::CourseId> courses,
                                                   Timestamp since) {
    const std::string ids = list_of(courses);
    co_return co_await analytics::query<IdleLearner>(context, idle, ids, since.micros);
}

Task<ActivityByDay> activity_by_day_among(Context& context, std::vector<courses::CourseId> courses,
                                          Timestamp since) {
    const std::string ids = list_of(courses);
    auto found = co_await analytics::query<FactsOfDay>(context, activity_by_day, ids, since.micros);
    ActivityByDay answer;
    answer.days = std::move(found.rows);
    answer.as_of = found.as_of;
    co_return answer;
}

}  // namespace campus::learning
