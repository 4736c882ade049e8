-- fragment: now
-- The database's clock (SQLite: this machine's), whichever process is asked: what was before a run is told by it. Microseconds
-- since 1970.
-- dialect: sqlite
cast((julianday('now') - 2440587.5) * 86400000000.0 as integer)
-- dialect: postgres
(extract(epoch from statement_timestamp()) * 1000000)::bigint

-- name: seats_taken
select taken from course_seats where course_id = $1

-- name: take_seat
-- One more, if there are fewer than $2. Whoever does this holds the course's seats until its transaction ends.
insert into course_seats (course_id, taken) values ($1, 1)
on conflict (course_id) do update set taken = course_seats.taken + 1 where course_seats.taken < $2

-- name: free_seat
update course_seats set taken = taken - 1 where course_id = $1

-- name: insert_enrolment
-- Who comes back has completed what they had. None: enrolled already. Primary keys.
insert into enrolments (course_id, user_id, enrolled_at, lessons_completed)
values ($1, $2, {now}, (select count(*) from lesson_progress where user_id = $2 and course_id = $1 and completed_at is not null))
on conflict (course_id, user_id) do nothing
returning enrolled_at

-- name: remove_enrolment
delete from enrolments where course_id = $1 and user_id = $2

-- name: enrolment
select course_id, user_id, enrolled_at, lessons_completed from enrolments where course_id = $1 and user_id = $2

-- name: enrolments_of_user
-- Keyset: by course, behind $2, $3 at most. Index: enrolments_of_user.
select course_id, user_id, enrolled_at, lessons_completed from enrolments where user_id = $1 and course_id > $2 order by course_id limit $3

-- name: learners
-- Keyset: those of a course ($1) behind $2, who were enrolled before $3, $4 at most. Primary key.
select user_id from enrolments where course_id = $1 and user_id > $2 and enrolled_at < $3 order by user_id limit $4

-- name: learners_between
-- Those of a course ($1) in ($2, $3] who were enrolled before $4. Primary key.
select user_id from enrolments where course_id = $1 and user_id > $2 and user_id <= $3 and enrolled_at < $4 order by user_id

-- name: completed_among
-- How many of $2, a JSON array of courses, a user has completed. Primary key.
-- dialect: sqlite
select count(*) from completions where user_id = $1 and course_id in (select value from json_each($2))
-- dialect: postgres
select count(*) from completions where user_id = $1 and course_id = any (array(select json_array_elements_text($2::json)::bigint))

-- name: insert_completion
insert into completions (user_id, course_id, completed_at) values ($1, $2, $3) on conflict (user_id, course_id) do nothing

-- name: completion
select completed_at from completions where user_id = $1 and course_id = $2

-- name: raise_position
-- The greatest position wins. $5: now. Primary key.
insert into lesson_progress (user_id, lesson_id, course_id, position_s, updated_at) values ($1, $2, $3, $4, $5)
on conflict (user_id, course_id, lesson_id) do update set position_s = excluded.position_s, updated_at = excluded.updated_at
where excluded.position_s > lesson_progress.position_s

-- name: position
select position_s from lesson_progress where user_id = $1 and course_id = $2 and lesson_id = $3

-- name: complete_lesson
-- None if it was completed before.
update lesson_progress set completed_at = $4 where user_id = $1 and course_id = $2 and lesson_id = $3 and completed_at is null

-- name: count_completed
-- Of an enrolment one more. Whoever does this holds it until its transaction ends, so that two that complete the last two
-- lessons at once do not both count one too few.
update enrolments set lessons_completed = lessons_completed + 1 where course_id = $1 and user_id = $2 returning lessons_completed

-- name: progress_of_course
-- Of one user, of all lessons that they have begun. Primary key.
select lesson_id, position_s, completed_at from lesson_progress where user_id = $1 and course_id = $2

-- name: attempts_of_quiz
-- Index: quiz_attempts_for_grades.
select count(*) as attempts, coalesce(max(points), 0) as best from quiz_attempts where course_id = $1 and user_id = $2 and quiz_id = $3

-- name: insert_attempt
insert into quiz_attempts (course_id, user_id, quiz_id, points, attempted_at) values ($1, $2, $3, $4, {now}) returning id

-- name: best_points
-- Of a course ($1), of users in ($2, $3], of attempts before $4. Index: quiz_attempts_for_grades.
select user_id, quiz_id, max(points) as points from quiz_attempts
where course_id = $1 and user_id > $2 and user_id <= $3 and attempted_at < $4
group by user_id, quiz_id order by user_id, quiz_id

-- name: grade
select run_id, grade, graded_at from grades where course_id = $1 and user_id = $2
