-- row: CourseSize campus/courses/courses.h

-- name: courses_of_instructor :page (id desc) (instructor UserId) -> Course
-- Newest first. Index: courses_of_instructor.
select id, title, instructor_id, capacity, lesson_count, state, organisation_id from courses where instructor_id = $instructor

-- name: course_outline :many (course CourseId) -> OutlineRow
-- A course with its lessons, in one statement; without lessons one row. Primary key, then lessons_of_course.
select c.title, c.instructor_id, c.state, c.lesson_count, l.id, l.number, l.title as lesson_title
from courses as c left join lessons as l on l.course_id = c.id where c.id = $course order by l.number

-- name: courses_of_organisation :page (id desc) (organisation OrganisationId) -> Course
-- Newest first. Index: courses_of_organisation.
select id, title, instructor_id, capacity, lesson_count, state, organisation_id from courses where organisation_id = $organisation

-- name: courses_by_id :many (ids CourseId[]) -> Course
select id, title, instructor_id, capacity, lesson_count, state, organisation_id from courses where id {in ids} order by id

-- name: sizes_of_organisation :many (organisation OrganisationId, at_most int) -> CourseSize
-- The newest. Index: courses_of_organisation.
select id, lesson_count from courses where organisation_id = $organisation order by id desc limit $at_most
