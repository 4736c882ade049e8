-- Of all courses of an organisation at once; `courses` are those, some thousand at most.

-- row: AtRiskAmong campus/learning/learning.h
-- row: CourseSize campus/learning/learning.h

-- name: seats_of_courses :one (courses CourseId[])
-- column: enrolled int
-- Index: course_seats by its key.
select cast(coalesce(sum(taken), 0) as bigint) as enrolled from course_seats where course_id {in courses}

-- name: at_risk_among :page (course_id, user_id) (courses CourseSize(course_id CourseId, lesson_count int)[], since timestamp) -> AtRiskAmong
-- As at_risk, course by course. Index: enrolments by its key, as far as the page goes; for each learner that it meets their part of
-- lesson_progress by its key and of quiz_attempts_for_grades (the plus keeps SQLite from reading what all did `since`).
select e.course_id, e.user_id, e.enrolled_at, e.lessons_completed from {rows courses} as c
join enrolments as e on e.course_id = c.course_id
where e.enrolled_at < $since and e.lessons_completed * 2 < c.lesson_count
    and not exists (select 1 from lesson_progress as p
                    where p.user_id = e.user_id and p.course_id = e.course_id and +p.updated_at >= $since)
    and not exists (select 1 from quiz_attempts as a
                    where a.course_id = e.course_id and a.user_id = e.user_id and +a.attempted_at >= $since)
