-- name: set_points :exec (course int, user int, points int)
insert into scores (course_id, user_id, points) values ($course, $user, $points)
on conflict (course_id, user_id) do update set points = excluded.points

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

-- name: totals :many (courses int[]) -> CourseTotal
-- column: points int
select course_id, cast(sum(points) as bigint) as points from scores where course_id {in courses} group by course_id order by course_id
