-- What the aggregates of views.cc are of, found anew from the rows. Of courses from `first_course` to `last_course`, in their order.

-- name: completions_by_course :many (first_course CourseId, last_course CourseId, courses_max int) -> FigureOfCourse
-- column: key int
-- column: value int
-- Index: completions_of_course, the part of the courses that it gives.
select course_id as key, count(*) as value from completions where course_id >= $first_course and course_id <= $last_course
group by course_id order by course_id limit $courses_max

-- name: first_completions_by_course :many (first_course CourseId, last_course CourseId, courses_max int) -> FigureOfCourse
-- column: key int
-- column: value int
-- Index: completions_of_course, likewise, and their rows.
select course_id as key, min(completed_at) as value from completions where course_id >= $first_course and course_id <= $last_course
group by course_id order by course_id limit $courses_max

-- name: last_completions_by_course :many (first_course CourseId, last_course CourseId, courses_max int) -> FigureOfCourse
-- column: key int
-- column: value int
-- As first_completions_by_course.
select course_id as key, max(completed_at) as value from completions where course_id >= $first_course and course_id <= $last_course
group by course_id order by course_id limit $courses_max

-- name: graded_by_course :many (first_course CourseId, last_course CourseId, courses_max int) -> FigureOfCourse
-- column: key int
-- column: value int
-- Index: grades_of_course, likewise.
select course_id as key, count(*) as value from grades where course_id >= $first_course and course_id <= $last_course
group by course_id order by course_id limit $courses_max

-- name: grade_sums_by_course :many (first_course CourseId, last_course CourseId, courses_max int) -> FigureOfCourse
-- column: key int
-- column: value int
-- Index: grades_of_course, likewise.
select course_id as key, cast(sum(grade) as bigint) as value from grades where course_id >= $first_course and course_id <= $last_course
group by course_id order by course_id limit $courses_max

-- name: enrolled_by_course :many (first_course CourseId, last_course CourseId, courses_max int) -> FigureOfCourse
-- column: key int
-- column: value int
-- Index: enrolments by its key, likewise.
select course_id as key, count(*) as value from enrolments where course_id >= $first_course and course_id <= $last_course
group by course_id order by course_id limit $courses_max

-- name: grades_of_learners :one (course CourseId, learners UserId[])
-- column: graded int
-- column: grade_sum int
-- What the learners have now. Primary key.
select count(*) as graded, cast(coalesce(sum(grade), 0) as bigint) as grade_sum from grades
where course_id = $course and user_id {in learners}
