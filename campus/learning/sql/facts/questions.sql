-- In ClickHouse times are microseconds, and a name that a statement gives hides a column of that name.
-- row: CourseSize campus/learning/learning.h
-- row: FactsOfDay campus/learning/learning.h
-- row: Progress campus/learning/learning.h
-- row: BusyCourse campus/learning/learning.h
-- row: IdleLearner campus/learning/learning.h
-- row: ScoreBand campus/learning/learning.h


-- name: activity_of_period :export (courses CourseId[], start timestamp, behind timestamp)
select happened_at, course, learner, kind, lesson, quiz, points
from learning_activity where course {in courses} and happened_at >= $start and happened_at < $behind
order by happened_at, course, learner, kind

-- name: progress :one (courses CourseSize(course_id CourseId, lesson_count int)[], idle_since timestamp) -> Progress
-- Who came back after leaving has more enrolments than ends.
-- dialect: duckdb
select count(*) filter (where enrolments > 0) as enrolled,
       count(*) filter (where days > 0) as began,
       count(*) filter (where attempts > 0) as attempted,
       count(*) filter (where completions > 0) as completed,
       count(*) filter (where enrolments > departures and lessons * 2 < lesson_count and last_active < $idle_since) as idle
from learning_progress join {rows courses} as asked on course_id = course
-- dialect: clickhouse
select countIf(enrolments > 0) as enrolled, countIf(days > 0) as began,
       countIf(attempts > 0) as attempted, countIf(completions > 0) as completed,
       countIf(enrolments > departures and lessons * 2 < lesson_count and last_active < $idle_since) as idle
from learning_progress any inner join (select course_id as course, lesson_count from {rows courses}) using course

-- name: busiest_courses :many (courses CourseId[], since timestamp) -> BusyCourse
-- How many learners, from when each was active last; what they did, from the facts.
-- column: learners int
-- column: lessons int
-- column: attempts int
-- dialect: duckdb
select course, learners, lessons, attempts
from (select course, count(*) as learners from learning_progress
      where course {in courses} and last_day >= $since group by course)
join (select course, count(*) filter (where kind = 'lesson_completed') as lessons,
             count(*) filter (where kind = 'quiz_attempted') as attempts
      from learning_activity where course {in courses} and happened_at >= $since group by course) using (course)
order by learners desc, course limit 10
-- dialect: clickhouse
select course, uniqExactIf(learner, kind = 'active') as learners, countIf(kind = 'lesson_completed') as lessons,
       countIf(kind = 'quiz_attempted') as attempts
from learning_activity where course {in courses} and happened_at >= $since
group by course having learners > 0 order by learners desc, course limit 10

-- name: longest_idle :many (courses CourseSize(course_id CourseId, lesson_count int)[], idle_since timestamp) -> IdleLearner
-- dialect: duckdb
select course, learner, last_active, lessons as lessons_completed
from learning_progress join {rows courses} as asked on course_id = course
where enrolments > departures and lessons * 2 < lesson_count and last_active < $idle_since
order by last_active, course, learner limit 50
-- dialect: clickhouse
select course, learner, last_active, lessons as lessons_completed
from learning_progress any inner join (select course_id as course, lesson_count from {rows courses}) using course
where enrolments > departures and lessons * 2 < lesson_count and last_active < $idle_since
order by last_active, course, learner limit 50

-- name: scores :many (courses CourseId[]) -> ScoreBand
-- A row of learning_scores without attempts is of the other facts. In DuckDB least() passes over a null, and in ClickHouse a
-- condition that is null gives one.
-- column: band int
-- column: attempts int
-- dialect: duckdb
select case when points_max > 0 then least(points * 10 // points_max, 9) else -1 end as band, sum(attempts)::bigint as attempts
from learning_scores where attempts > 0 and course {in courses} group by 1 order by 1
-- dialect: clickhouse
select band, sum(n) as attempts
from (select attempts as n, if(ifNull(points_max, 0) > 0,
                               least(intDiv(ifNull(points, 0) * 10, greatest(ifNull(points_max, 1), 1)), 9), -1) as band
      from learning_scores where attempts > 0 and course {in courses})
group by band order by band

-- fragment: activity_by_day
-- dialect: duckdb
select date_trunc('day', happened_at)::timestamp as day,
       count(distinct learner) filter (where kind = 'active') as learners,
       count(*) filter (where kind = 'lesson_completed') as lessons,
       count(*) filter (where kind = 'quiz_attempted') as attempts
from learning_activity
-- dialect: clickhouse
select intDiv(happened_at, 86400000000) * 86400000000 as day,
       uniqExactIf(learner, kind = 'active') as learners,
       countIf(kind = 'lesson_completed') as lessons, countIf(kind = 'quiz_attempted') as attempts
from learning_activity

-- name: activity_by_day_of :many (course CourseId, since timestamp) -> FactsOfDay
-- column: day timestamp
{activity_by_day}
where course = $course and happened_at >= $since and kind in ('active', 'lesson_completed', 'quiz_attempted')
group by day order by day

-- name: activity_by_day_among :many (courses CourseId[], since timestamp) -> FactsOfDay
-- column: day timestamp
{activity_by_day}
where course {in courses} and happened_at >= $since and kind in ('active', 'lesson_completed', 'quiz_attempted')
group by day order by day
