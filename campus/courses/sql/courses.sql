-- States: draft, published.

-- name: insert_course
insert into courses (title, title_key, description, instructor_id, capacity, state, lesson_count, quiz_count, created_at)
values ($1, $2, $3, $4, $5, 'draft', 0, 0, $6)
returning id

-- name: insert_prerequisites
-- $2: a JSON array of course ids, of which the published ones are taken.
-- dialect: sqlite
insert into prerequisites (course_id, required_id)
select $1, c.id from json_each($2) as p join courses as c on c.id = p.value where c.state = 'published'
-- dialect: postgres
insert into prerequisites (course_id, required_id)
select $1, c.id from json_array_elements_text($2::json) as p (id) join courses as c on c.id = p.id::bigint where c.state = 'published'

-- name: count_lesson
-- One more, as long as there are fewer than $2. Whoever does this holds the course until its transaction ends, so that lessons are
-- numbered without a gap.
update courses set lesson_count = lesson_count + 1 where id = $1 and lesson_count < $2 returning lesson_count

-- name: insert_lesson
-- Index: lessons_of_course keeps numbers unique.
insert into lessons (course_id, number, title, length_s) values ($1, $2, $3, $4) returning id

-- name: count_quiz
update courses set quiz_count = quiz_count + 1 where id = $1 and quiz_count < $2

-- name: insert_quiz
insert into quizzes (course_id, lesson_id, title, points_max, weight) values ($1, $2, $3, $4, $5) returning id

-- name: publish_course
update courses set state = 'published', published_at = $2 where id = $1 and state = 'draft' and lesson_count > 0

-- name: course_by_id
select id, title, instructor_id, capacity, lesson_count, state from courses where id = $1

-- name: course_page
select id, title, description, instructor_id, capacity, state, created_at, published_at from courses where id = $1

-- name: place_in_catalogue
-- Of a draft there is none.
select title_key, id from courses where id = $1 and state = 'published'

-- name: catalogue
-- Keyset: behind ($1, $2) and before $3 in the order of titles, $4 at most. Index: courses_in_catalogue.
select id, title, instructor_id, capacity, lesson_count from courses
where state = 'published' and (title_key, id) > ($1, $2) and title_key < $3
order by title_key, id limit $4

-- name: prerequisites
select required_id from prerequisites where course_id = $1 order by required_id

-- name: required_courses
select c.id, c.title from prerequisites as p join courses as c on c.id = p.required_id where p.course_id = $1 order by p.required_id

-- name: lesson_by_id
select id, course_id, number, title, length_s from lessons where id = $1

-- name: lessons
-- All: a course has lessons_max at most. Index: lessons_of_course.
select id, course_id, number, title, length_s from lessons where course_id = $1 order by number

-- name: quiz_by_id
select id, course_id, lesson_id, title, points_max, weight from quizzes where id = $1

-- name: quizzes
-- All: a course has quizzes_max at most. Index: quizzes_of_course.
select id, course_id, lesson_id, title, points_max, weight from quizzes where course_id = $1 order by id
