-- name: courses_of_instructor :page (id desc) (instructor UserId) -> Course
-- Newest first. Index: courses_of_instructor.
select id, title, instructor_id, capacity, lesson_count, state from courses where instructor_id = $instructor

-- name: course_outline :many (course CourseId) -> OutlineRow
-- A course with its lessons, in one statement; without lessons one row. Primary key, then lessons_of_course.
select c.title, c.instructor_id, c.state, c.lesson_count, l.id, l.number, l.title as lesson_title
from courses as c left join lessons as l on l.course_id = c.id where c.id = $course order by l.number
