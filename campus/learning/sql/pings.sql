-- row: NotedPosition campus/learning/pings.h
-- row: ActiveLearner campus/learning/pings.h

-- name: raise_positions :exec (courses CourseId[], positions NotedPosition(course_id CourseId, user_id UserId, lesson_id LessonId, position_s int)[],
--     now timestamp)
-- As raise_position, of those who are enrolled. `courses` are those of the positions: named so that views of other courses stay true. In
-- the order of the primary key, so that two that do this do not wait for each other in a ring.
insert into lesson_progress (user_id, lesson_id, course_id, position_s, updated_at)
select p.user_id, p.lesson_id, p.course_id, p.position_s, $now from {rows positions} as p
join enrolments as e on e.course_id = p.course_id and e.user_id = p.user_id
where p.course_id {in courses}
order by p.user_id, p.course_id, p.lesson_id
on conflict (user_id, course_id, lesson_id) do update set position_s = excluded.position_s, updated_at = excluded.updated_at
where excluded.position_s > lesson_progress.position_s

-- name: kept_positions :many (positions NotedPosition(course_id CourseId, user_id UserId, lesson_id LessonId, position_s int)[]) -> KeptPosition
-- Of those who are enrolled and have come so far. Primary keys.
select l.course_id, l.user_id, l.lesson_id, l.position_s, l.updated_at, e.active_day
from {rows positions} as p
join enrolments as e on e.course_id = p.course_id and e.user_id = p.user_id
join lesson_progress as l on l.user_id = p.user_id and l.course_id = p.course_id and l.lesson_id = p.lesson_id
where l.position_s >= p.position_s
order by l.user_id, l.course_id, l.lesson_id

-- name: begin_active_days :many (courses CourseId[], learners ActiveLearner(course_id CourseId, user_id UserId)[], day int, now timestamp) -> ActiveLearner
-- As begin_active_day, of each: those for whom it has not begun before. In the order of the primary key, as raise_positions.
insert into active_days (course_id, day, user_id, active_at, lessons, attempts)
select l.course_id, $day, l.user_id, $now, 0, 0 from {rows learners} as l
where l.course_id {in courses}
order by l.course_id, l.user_id
on conflict (course_id, day, user_id) do nothing
returning course_id, user_id

-- name: note_active_days :exec (courses CourseId[], learners ActiveLearner(course_id CourseId, user_id UserId)[], day int)
-- Who does this has the days of these learners. Primary key.
update enrolments set active_day = $day from {rows learners} as l
where enrolments.course_id {in courses} and enrolments.course_id = l.course_id and enrolments.user_id = l.user_id and active_day < $day
