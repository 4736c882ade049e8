-- Activity is a lesson that goes on or an attempt at a quiz. Of a lesson the last time is known alone.

-- row: ActiveDay campus/learning/learning.h
-- row: LessonReach campus/learning/learning.h
-- row: GradeBin campus/learning/learning.h
-- row: AtRisk campus/learning/learning.h

-- name: standings :many (courses CourseId[], since timestamp)
-- column: course_id CourseId
-- column: enrolled int
-- column: active int
-- Of those that anybody ever enrolled in. Index: course_seats by its key, and for each course a range of
-- lesson_progress_of_course and quiz_attempts_of_course behind `since`; no table.
select s.course_id, s.taken as enrolled,
    (select count(*) from (
        select p.user_id from lesson_progress as p where p.course_id = s.course_id and p.updated_at >= $since
        union
        select a.user_id from quiz_attempts as a where a.course_id = s.course_id and a.attempted_at >= $since) as x) as active
from course_seats as s where s.course_id {in courses} order by s.course_id

-- name: active_days :many (courses CourseId[], since timestamp) -> ActiveDay
-- column: day int
-- column: learners int
-- column: lessons int
-- column: attempts int
-- By days since 1970, UTC. Index: lesson_progress_of_course, quiz_attempts_of_course, a range behind `since` of each for each course.
select x.day, count(distinct x.user_id) as learners, cast(sum(x.lesson) as bigint) as lessons,
    cast(sum(1 - x.lesson) as bigint) as attempts
from (
    select updated_at / 86400000000 as day, user_id, 1 as lesson from lesson_progress
    where course_id {in courses} and updated_at >= $since
    union all
    select attempted_at / 86400000000, user_id, 0 from quiz_attempts
    where course_id {in courses} and attempted_at >= $since) as x
group by x.day order by x.day

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

-- name: at_risk :page (user_id) (course CourseId, lesson_count int, since timestamp) -> AtRisk
-- Enrolled before, nothing done since, and less than half of the lessons completed. Index: enrolments by its key, as far as the
-- page goes; who was active is read once, a range of lesson_progress_of_course and of quiz_attempts_of_course behind `since`. (With
-- `exists`, SQLite would read that range for each learner.)
select e.user_id, e.enrolled_at, e.lessons_completed from enrolments as e
where e.course_id = $course and e.enrolled_at < $since and e.lessons_completed * 2 < $lesson_count
    and e.user_id not in (select p.user_id from lesson_progress as p where p.course_id = $course and p.updated_at >= $since)
    and e.user_id not in (select a.user_id from quiz_attempts as a where a.course_id = $course and a.attempted_at >= $since)
