-- States: draft, published.

-- id: UserId campus::accounts::UserTag
-- id: OrganisationId campus::organisations::OrganisationTag
-- id: CourseId campus::courses::CourseTag
-- id: LessonId campus::courses::LessonTag
-- id: QuizId campus::courses::QuizTag
-- type: UserId courses.instructor_id
-- type: OrganisationId courses.organisation_id
-- type: CourseId courses.id prerequisites.course_id prerequisites.required_id lessons.course_id quizzes.course_id
-- type: LessonId lessons.id quizzes.lesson_id
-- type: QuizId quizzes.id
-- type: timestamp courses.created_at courses.published_at
-- row: Course campus/courses/courses.h
-- row: Lesson campus/courses/courses.h
-- row: Quiz campus/courses/courses.h

-- name: insert_course :one (title text, title_key text, description text, instructor UserId, organisation OrganisationId?, capacity int, now timestamp)
insert into courses (title, title_key, description, instructor_id, organisation_id, capacity, state, lesson_count, quiz_count, created_at)
values ($title, $title_key, $description, $instructor, $organisation, $capacity, 'draft', 0, 0, $now)
returning id

-- name: insert_prerequisites :exec (course CourseId, required CourseId[])
-- Of the required ones the published ones are taken.
insert into prerequisites (course_id, required_id)
select $course, id from courses where id {in required} and state = 'published'

-- name: count_lesson :maybe (course CourseId, lessons_max int)
-- One more, as long as there are fewer. Whoever does this holds the course until its transaction ends, so that lessons are
-- numbered without a gap.
update courses set lesson_count = lesson_count + 1 where id = $course and lesson_count < $lessons_max returning lesson_count

-- name: insert_lesson :one (course CourseId, number int, title text, length_s int)
-- Index: lessons_of_course keeps numbers unique.
insert into lessons (course_id, number, title, length_s) values ($course, $number, $title, $length_s) returning id

-- name: count_quiz :exec (course CourseId, quizzes_max int)
update courses set quiz_count = quiz_count + 1 where id = $course and quiz_count < $quizzes_max

-- name: insert_quiz :one (course CourseId, lesson LessonId, title text, points_max int, weight int)
insert into quizzes (course_id, lesson_id, title, points_max, weight) values ($course, $lesson, $title, $points_max, $weight)
returning id

-- name: publish_course :exec (course CourseId, now timestamp)
update courses set state = 'published', published_at = $now where id = $course and state = 'draft' and lesson_count > 0

-- name: course_by_id :maybe (id CourseId) -> Course
select id, title, instructor_id, capacity, lesson_count, state, organisation_id from courses where id = $id

-- name: course_page :maybe (id CourseId)
select id, title, description, instructor_id, capacity, state, created_at, published_at from courses where id = $id

-- name: place_in_catalogue :maybe (id CourseId)
-- Of a draft there is none.
select title_key, id from courses where id = $id and state = 'published'

-- name: catalogue :page (title_key, id) (end text)
-- Those whose keys are before the end. Index: courses_in_catalogue.
select id, title, title_key, instructor_id, capacity, lesson_count from courses
where state = 'published' and title_key < $end

-- name: prerequisites :many (course CourseId)
select required_id from prerequisites where course_id = $course order by required_id

-- name: required_courses :many (course CourseId) -> RequiredCourse
select c.id, c.title from prerequisites as p join courses as c on c.id = p.required_id where p.course_id = $course order by p.required_id

-- name: lesson_by_id :maybe (id LessonId) -> Lesson
select id, course_id, number, title, length_s from lessons where id = $id

-- name: lessons :many (course CourseId) -> Lesson
-- All: a course has lessons_max at most. Index: lessons_of_course.
select id, course_id, number, title, length_s from lessons where course_id = $course order by number

-- name: quiz_by_id :maybe (id QuizId) -> Quiz
select id, course_id, lesson_id, title, points_max, weight from quizzes where id = $id

-- name: quizzes :many (course CourseId) -> Quiz
-- All: a course has quizzes_max at most. Index: quizzes_of_course.
select id, course_id, lesson_id, title, points_max, weight from quizzes where course_id = $course order by id
