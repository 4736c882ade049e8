-- Courses belong to faculties, and may change them. The ranked sum is of the points of a course.

-- name: faculty_of :maybe (course int)
select faculty from faculties where course_id = $course

-- name: set_faculty :exec (course int, faculty int)
insert into faculties (course_id, faculty) values ($course, $faculty)
on conflict (course_id) do update set faculty = excluded.faculty

-- name: points_by_course :many (first_course int, last_course int, courses_max int)
-- column: key int
-- column: value int
-- column: of_group int
-- Also of courses without points.
select f.course_id as key, cast(coalesce(sum(s.points), 0) as bigint) as value, f.faculty as of_group
from faculties as f left join scores as s on s.course_id = f.course_id
where f.course_id >= $first_course and f.course_id <= $last_course group by f.course_id, f.faculty order by f.course_id limit $courses_max

-- name: true_top :many (at_most int)
-- column: key int
-- column: value int
select course_id as key, cast(sum(points) as bigint) as value from scores group by course_id having sum(points) > 0
order by sum(points) desc, course_id limit $at_most

-- name: true_top_of_faculty :many (faculty int, at_most int)
-- column: key int
-- column: value int
select s.course_id as key, cast(sum(s.points) as bigint) as value from scores as s join faculties as f on f.course_id = s.course_id
where f.faculty = $faculty group by s.course_id having sum(s.points) > 0 order by sum(s.points) desc, s.course_id limit $at_most
