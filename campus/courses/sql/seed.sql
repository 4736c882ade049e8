-- row: SeededPrerequisite campus/courses/courses.h

-- name: seed_courses :many (courses (title text, title_key text, description text, instructor_id UserId, organisation_id OrganisationId?, capacity int, state text, lesson_count int, quiz_count int, created_at timestamp, published_at timestamp?)[]) -> SeededCourseId
insert into courses (title, title_key, description, instructor_id, organisation_id, capacity, state, lesson_count, quiz_count, created_at, published_at)
{values courses} returning id, title_key

-- name: seed_lessons :many (lessons (course_id CourseId, number int, title text, length_s int)[]) -> Lesson
-- Index: lessons_of_course keeps numbers unique.
insert into lessons (course_id, number, title, length_s) {values lessons} returning id, course_id, number, title, length_s

-- name: seed_quizzes :many (quizzes (course_id CourseId, lesson_id LessonId, title text, points_max int, weight int)[]) -> Quiz
insert into quizzes (course_id, lesson_id, title, points_max, weight) {values quizzes}
returning id, course_id, lesson_id, title, points_max, weight

-- name: seed_prerequisites :exec (all_of SeededPrerequisite(course_id CourseId, required_id CourseId)[])
insert into prerequisites (course_id, required_id) {values all_of}
