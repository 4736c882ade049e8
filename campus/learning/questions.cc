// What is asked of the column store about several courses.

#include <fmt/core.h>

#include <string>
#include <utility>

#include "campus/learning/facts.h"

namespace campus::learning {

using namespace loadstone;

namespace {

// $1: course ids, with commas between; $3 where it is about risk: how many lessons each has. In
// ClickHouse times are microseconds, and a name that a statement gives hides a column of that name.
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

// Who came back after leaving has more enrolments than ends.
constexpr analytics::Query progress{
    "learning.progress",
    "select count(*) filter (where enrolments > 0) as enrolled, "
    "count(*) filter (where days > 0) as began, "
    "count(*) filter (where attempts > 0) as attempted, "
    "count(*) filter (where completions > 0) as completed, "
    "count(*) filter (where enrolments > departures and lessons * 2 < lesson_count "
    "and last_active < make_timestamp($2)) as idle "
    "from learning_progress join (select unnest(string_split($1, ',')::bigint[]) as course, "
    "unnest(string_split($3, ',')::bigint[]) as lesson_count) using (course)",
    "select countIf(enrolments > 0) as enrolled, countIf(days > 0) as began, "
    "countIf(attempts > 0) as attempted, countIf(completions > 0) as completed, "
    "countIf(enrolments > departures and lessons * 2 < lesson_count and last_active < $2) as idle "
    "from learning_progress any inner join (select tupleElement(each, 1) as course, "
    "tupleElement(each, 2) as lesson_count from (select arrayJoin(arrayMap((x, y) -> "
    "(toInt64(x), toInt64(y)), splitByChar(',', $1), splitByChar(',', $3))) as each)) "
    "using course"};

// How many learners, from when each was active last; what they did, from the facts.
constexpr analytics::Query busiest_courses{
    "learning.busiest_courses",
    "select course, learners, lessons, attempts "
    "from (select course, count(*) as learners "
    "from learning_progress where course in (select unnest(string_split($1, ',')::bigint[])) "
    "and last_day >= make_timestamp($2) group by course) join (select course, "
    "count(*) filter (where kind = 'lesson_completed') as lessons, "
    "count(*) filter (where kind = 'quiz_attempted') as attempts from learning_activity "
    "where course in (select unnest(string_split($1, ',')::bigint[])) "
    "and happened_at >= make_timestamp($2) group by course) using (course) "
    "order by learners desc, course limit 10",
    "select course, uniqExactIf(learner, kind = 'active') as learners, countIf(kind = "
    "'lesson_completed') as lessons, "
    "countIf(kind = 'quiz_attempted') as attempts from learning_activity "
    "where course in (select arrayJoin(arrayMap(x -> toInt64(x), splitByChar(',', $1)))) "
    "and happened_at >= $2 group by course having learners > 0 "
    "order by learners desc, course limit 10"};

constexpr analytics::Query longest_idle{
    "learning.longest_idle",
    "select course, learner, last_active, lessons as lessons_completed "
    "from learning_progress join (select unnest(string_split($1, ',')::bigint[]) as course, "
    "unnest(string_split($3, ',')::bigint[]) as lesson_count) using (course) "
    "where enrolments > departures and lessons * 2 < lesson_count "
    "and last_active < make_timestamp($2) order by last_active, course, learner limit 50",
    "select course, learner, last_active, lessons as lessons_completed "
    "from learning_progress any inner join (select tupleElement(each, 1) as course, "
    "tupleElement(each, 2) as lesson_count from (select arrayJoin(arrayMap((x, y) -> "
    "(toInt64(x), toInt64(y)), splitByChar(',', $1), splitByChar(',', $3))) as each)) "
    "using course where enrolments > departures and lessons * 2 < lesson_count "
    "and last_active < $2 "
    "order by last_active, course, learner limit 50"};

// A row of learning_scores without attempts is of the other facts. In DuckDB least() passes over a
// null, and in ClickHouse a condition that is null gives one.
constexpr analytics::Query scores{
    "learning.scores",
    "select case when points_max > 0 then least(points * 10 // points_max, 9) else -1 end as band, "
    "sum(attempts)::bigint as attempts from learning_scores where attempts > 0 "
    "and course in (select unnest(string_split($1, ',')::bigint[])) group by 1 order by 1",
    "select band, sum(n) as attempts "
    "from (select attempts as n, if(ifNull(points_max, 0) > 0, "
    "least(intDiv(ifNull(points, 0) * 10, greatest(ifNull(points_max, 1), 1)), 9), -1) as band "
    "from learning_scores where attempts > 0 and course in "
    "(select arrayJoin(arrayMap(x -> toInt64(x), splitByChar(',', $1))))) "
    "group by band order by band"};

constexpr analytics::Query activity_by_day{
    "learning.activity_by_day_among",
    "select date_trunc('day', happened_at)::timestamp as day, "
    "count(distinct learner) filter (where kind = 'active') as learners, "
    "count(*) filter (where kind = 'lesson_completed') as lessons, "
    "count(*) filter (where kind = 'quiz_attempted') as attempts from learning_activity "
    "where course in (select unnest(string_split($1, ',')::bigint[])) "
    "and happened_at >= make_timestamp($2) "
    "and kind in ('active', 'lesson_completed', 'quiz_attempted') group by 1 order by 1",
    "select intDiv(happened_at, 86400000000) * 86400000000 as day, "
    "uniqExactIf(learner, kind = 'active') as learners, "
    "countIf(kind = 'lesson_completed') as lessons, countIf(kind = 'quiz_attempted') as attempts "
    "from learning_activity where course in (select "
    "arrayJoin(arrayMap(x -> toInt64(x), splitByChar(',', $1)))) and happened_at >= $2 "
    "and kind in ('active', 'lesson_completed', 'quiz_attempted') group by day order by day"};

std::string list_of(const std::vector<courses::CourseId>& courses) {
    std::string ids = "0";  // no course has it, and a list is not empty
    for (const courses::CourseId course : courses) ids += fmt::format(",{}", course.value);
    return ids;
}

struct Lists {
    std::string ids = "0", lesson_counts = "0";  // no course has it, and a list is not empty
};

Lists lists_of(const std::vector<CourseSize>& courses) {
    Lists lists;
    for (const CourseSize& course : courses) {
        lists.ids += fmt::format(",{}", course.course_id.value);
        lists.lesson_counts += fmt::format(",{}", course.lesson_count);
    }
    return lists;
}

}  // namespace

Task<analytics::ExportedFile> export_activity(Context& context,
                                              std::vector<courses::CourseId> courses, Period period,
                                              std::string name) {
    const std::string ids = list_of(courses);
    co_return co_await analytics::export_rows(context, activity_of_period, std::move(name), ids,
                                              period.from.micros, period.to.micros);
}

Task<analytics::Answer<Progress>> progress_of(Context& context, std::vector<CourseSize> courses,
                                              Timestamp idle_since) {
    const Lists of = lists_of(courses);
    co_return co_await analytics::query<Progress>(context, progress, of.ids, idle_since.micros,
                                                  of.lesson_counts);
}

Task<analytics::Answer<BusyCourse>> busiest(Context& context,
                                            std::vector<courses::CourseId> courses,
                                            Timestamp since) {
    const std::string ids = list_of(courses);
    co_return co_await analytics::query<BusyCourse>(context, busiest_courses, ids, since.micros);
}

Task<analytics::Answer<IdleLearner>> longest_idle_of(Context& context,
                                                     std::vector<CourseSize> courses,
                                                     Timestamp since) {
    const Lists of = lists_of(courses);
    co_return co_await analytics::query<IdleLearner>(context, longest_idle, of.ids, since.micros,
                                                     of.lesson_counts);
}

Task<analytics::Answer<ScoreBand>> scores_of(Context& context,
                                             std::vector<courses::CourseId> courses) {
    const std::string ids = list_of(courses);
    co_return co_await analytics::query<ScoreBand>(context, scores, ids);
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
