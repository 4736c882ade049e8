-- Of all courses of an organisation at once; `courses` are those, some thousand at most.

-- row: AtRiskAmong campus/learning/learning.h
-- row: CourseSize campus/learning/learning.h

-- name: at_risk_among :page (course_id, user_id) (ids CourseId[], courses CourseSize(course_id CourseId, lesson_count int)[], first_day int, since timestamp) -> AtRiskAmong
-- As at_risk, course by course; `ids` are those of `courses`, by which it is told what is read. Index: enrolments by its key, as far
-- as the page goes.
select e.course_id, e.user_id, e.enrolled_at, e.lessons_completed from {rows courses} as c
join enrolments as e on e.course_id = c.course_id
where e.course_id {in ids} and e.enrolled_at < $since and e.active_day < $first_day and e.lessons_completed * 2 < c.lesson_count
