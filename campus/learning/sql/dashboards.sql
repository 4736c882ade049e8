-- Activity is a lesson that goes on or an attempt at a quiz: active_days has who did either, by days since 1970 (UTC).

-- row: ActiveDay campus/learning/learning.h
-- row: ActiveLearners campus/learning/views.h
-- row: EnrolledIn campus/learning/views.h
-- row: LessonReach campus/learning/learning.h
-- row: GradeBin campus/learning/learning.h
-- row: AtRisk campus/learning/learning.h

-- name: enrolled_in :many (courses CourseId[]) -> EnrolledIn
-- Of those that anybody ever enrolled in. Index: course_seats by its key.
select course_id, taken from course_seats where course_id {in courses} order by course_id

-- name: active_learners :many (courses CourseId[], first_day int) -> ActiveLearners
-- column: course_id CourseId
-- column: learners int
-- Different ones from that day on. Index: active_days by its key, a range of each course.
select course_id, count(distinct user_id) as learners from active_days where course_id {in courses} and day >= $first_day
group by course_id order by course_id

-- name: active_days :many (courses CourseId[], first_day int) -> ActiveDay
-- column: day int
-- column: learners int
-- column: lessons int
-- column: attempts int
-- Index: active_days by its key, a range of each course.
select day, count(distinct user_id) as learners, cast(sum(lessons) as bigint) as lessons, cast(sum(attempts) as bigint) as attempts
from active_days where course_id {in courses} and day >= $first_day group by day order by day

-- name: lesson_reach :many (course CourseId) -> LessonReach
-- column: begun int
-- column: completed int
-- All learners that there ever were. Index: lesson_progress_of_course, the course's part of it.
select lesson_id, count(*) as begun, count(completed_at) as completed from lesson_progress
where course_id = $course group by lesson_id order by lesson_id

-- name: grade_bins :many (course CourseId) -> GradeBin
-- column: bin int
-- column: learners int
-- Bin 0: below 10 %, .. 9: from 90 % on. Index: grades_of_course, the course's part of it.
select case when grade >= 10000 then 9 else grade / 1000 end as bin, count(*) as learners from grades
where course_id = $course group by case when grade >= 10000 then 9 else grade / 1000 end order by bin

-- name: at_risk :page (user_id) (course CourseId, lesson_count int, first_day int, since timestamp) -> AtRisk
-- Enrolled before the day that begins at `since`, nothing done from it on, and less than half of the lessons completed. Index:
-- enrolments by its key, as far as the page goes.
select user_id, enrolled_at, lessons_completed from enrolments
where course_id = $course and enrolled_at < $since and active_day < $first_day and lessons_completed * 2 < $lesson_count
