-- name: insert_score :exec (course int, user int, points int)
insert into scores (course_id, user_id, points) values ($course, $user, $points) on conflict (course_id, user_id) do nothing

-- name: change_points :exec (course int, user int, points int)
update scores set points = $points where course_id = $course and user_id = $user

-- name: add_point :exec (course int, user int)
insert into scores (course_id, user_id, points) values ($course, $user, 1)
on conflict (course_id, user_id) do update set points = scores.points + 1

-- name: add_point_everywhere :exec (user int)
-- Of which courses cannot be told from it.
update scores set points = points + 1 where user_id = $user

-- name: change_course :exec (user int, old_course int, new_course int)
update scores set course_id = $new_course where course_id = $old_course and user_id = $user

-- name: remark :exec (id int)
-- A table that no view reads.
insert into remarks (id) values ($id)

-- name: total :one (course int)
-- column: points int
select cast(coalesce(sum(points), 0) as bigint) as points from scores where course_id = $course

-- name: guarded_total :one (course int)
-- column: points int
-- Waits while another session holds the advisory lock 7.
-- dialect: sqlite
select cast(coalesce(sum(points), 0) as bigint) as points from scores where course_id = $course
-- dialect: postgres
select cast(coalesce(sum(points), 0) as bigint) + length(pg_advisory_xact_lock_shared(7)::text) as points from scores where course_id = $course

-- name: totals :many (courses int[]) -> CourseTotal
-- column: points int
select course_id, cast(sum(points) as bigint) as points from scores where course_id {in courses} group by course_id order by course_id

-- name: points_of :maybe (course int, user int)
select points from scores where course_id = $course and user_id = $user

-- name: remove_score :exec (course int, user int)
delete from scores where course_id = $course and user_id = $user

-- name: scores_by_course :many (first_course int, last_course int, courses_max int)
-- column: learners int
-- column: points int
-- column: best int
-- column: worst int
select course_id, count(*) as learners, cast(sum(points) as bigint) as points, max(points) as best, min(points) as worst from scores
where course_id >= $first_course and course_id <= $last_course group by course_id order by course_id limit $courses_max
