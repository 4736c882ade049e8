-- id: UserId campus::accounts::UserTag
-- id: CourseId campus::courses::CourseTag
-- id: LessonId campus::courses::LessonTag
-- id: QuizId campus::courses::QuizTag
-- id: RunId campus::learning::RunTag
-- type: CourseId course_seats.course_id enrolments.course_id completions.course_id lesson_progress.course_id quiz_attempts.course_id
-- type: CourseId active_days.course_id
-- type: UserId enrolments.user_id completions.user_id lesson_progress.user_id quiz_attempts.user_id active_days.user_id
-- type: LessonId lesson_progress.lesson_id
-- type: QuizId quiz_attempts.quiz_id
-- type: timestamp enrolments.enrolled_at completions.completed_at lesson_progress.updated_at lesson_progress.completed_at
-- type: timestamp quiz_attempts.attempted_at active_days.active_at
-- row: RecordedAttempt campus/learning/commands.h

-- fragment: now
-- The database's clock (SQLite: this machine's), whichever process is asked: what was before a run is told by it. Microseconds
-- since 1970.
-- dialect: sqlite
cast((julianday('now') - 2440587.5) * 86400000000.0 as integer)
-- dialect: postgres
(extract(epoch from statement_timestamp()) * 1000000)::bigint

-- name: seats_taken :maybe (course CourseId)
select taken from course_seats where course_id = $course

-- name: take_seat :exec (course CourseId, capacity int)
-- One more, if there are fewer. Whoever does this holds the course's seats until its transaction ends.
insert into course_seats (course_id, taken) values ($course, 1)
on conflict (course_id) do update set taken = course_seats.taken + 1 where course_seats.taken < $capacity

-- name: free_seat :exec (course CourseId)
update course_seats set taken = taken - 1 where course_id = $course

-- name: insert_enrolment :maybe (course CourseId, user UserId)
-- Who comes back has completed what they had. None: enrolled already. Primary keys.
insert into enrolments (course_id, user_id, enrolled_at, lessons_completed)
values ($course, $user, {now},
        (select count(*) from lesson_progress where user_id = $user and course_id = $course and completed_at is not null))
on conflict (course_id, user_id) do nothing
returning enrolled_at

-- name: remove_enrolment :exec (course CourseId, user UserId)
delete from enrolments where course_id = $course and user_id = $user

-- name: enrolment :maybe (course CourseId, user UserId) -> EnrolmentRow
select course_id, user_id, enrolled_at, lessons_completed, active_day from enrolments where course_id = $course and user_id = $user

-- name: enrolments_of_user :page (course_id) (user UserId) -> EnrolmentRow
-- Index: enrolments_of_user.
select course_id, user_id, enrolled_at, lessons_completed, active_day from enrolments where user_id = $user

-- name: learners :page (user_id) (course CourseId, before timestamp)
-- Those of a course who were enrolled before. Primary key.
select user_id from enrolments where course_id = $course and enrolled_at <= $before

-- name: learners_between :many (course CourseId, after_user UserId, last_user UserId, before timestamp)
-- Those of a course in (after_user, last_user] who were enrolled before. Primary key.
select user_id from enrolments
where course_id = $course and user_id > $after_user and user_id <= $last_user and enrolled_at <= $before
order by user_id

-- name: completed_among :one (user UserId, courses CourseId[])
-- How many of the courses a user has completed. Primary key.
select count(*) from completions where user_id = $user and course_id {in courses}

-- name: insert_completion :exec (user UserId, course CourseId, now timestamp)
insert into completions (user_id, course_id, completed_at) values ($user, $course, $now) on conflict (user_id, course_id) do nothing

-- name: completion :maybe (user UserId, course CourseId)
select completed_at from completions where user_id = $user and course_id = $course

-- name: raise_position :exec (user UserId, course CourseId, lesson LessonId, position_s int, now timestamp)
-- The greatest position wins. Primary key.
insert into lesson_progress (user_id, lesson_id, course_id, position_s, updated_at) values ($user, $lesson, $course, $position_s, $now)
on conflict (user_id, course_id, lesson_id) do update set position_s = excluded.position_s, updated_at = excluded.updated_at
where excluded.position_s > lesson_progress.position_s

-- name: position :one (user UserId, course CourseId, lesson LessonId)
select position_s from lesson_progress where user_id = $user and course_id = $course and lesson_id = $lesson

-- name: complete_lesson :exec (user UserId, course CourseId, lesson LessonId, now timestamp)
-- None if it was completed before.
update lesson_progress set completed_at = $now
where user_id = $user and course_id = $course and lesson_id = $lesson and completed_at is null

-- name: count_completed :one (course CourseId, user UserId)
-- Of an enrolment one more. Whoever does this holds it until its transaction ends, so that two that complete the last two
-- lessons at once do not both count one too few.
update enrolments set lessons_completed = lessons_completed + 1 where course_id = $course and user_id = $user
returning lessons_completed

-- name: begin_active_day :exec (course CourseId, day int, user UserId, at timestamp, lessons int, attempts int)
-- None if it has begun before. Primary key.
insert into active_days (course_id, day, user_id, active_at, lessons, attempts) values ($course, $day, $user, $at, $lessons, $attempts)
on conflict (course_id, day, user_id) do nothing

-- name: add_to_active_day :exec (course CourseId, day int, user UserId, lessons int, attempts int)
-- None if it has not begun. Primary key.
update active_days set lessons = lessons + $lessons, attempts = attempts + $attempts
where course_id = $course and day = $day and user_id = $user

-- name: note_active_day :exec (course CourseId, user UserId, day int)
update enrolments set active_day = $day where course_id = $course and user_id = $user

-- name: progress_of_course :many (user UserId, course CourseId) -> ProgressRow
-- Of all lessons that they have begun. Primary key.
select lesson_id, position_s, completed_at from lesson_progress where user_id = $user and course_id = $course

-- name: attempts_of_quiz :one (course CourseId, user UserId, quiz QuizId) -> RecordedAttempt
-- column: best int
-- Index: quiz_attempts_for_grades.
select count(*) as attempts, coalesce(max(points), 0) as best from quiz_attempts
where course_id = $course and user_id = $user and quiz_id = $quiz

-- name: insert_attempt :one (course CourseId, user UserId, quiz QuizId, points int, points_max int)
insert into quiz_attempts (course_id, user_id, quiz_id, points, points_max, attempted_at)
values ($course, $user, $quiz, $points, $points_max, {now}) returning attempted_at

-- name: best_points :stream (course CourseId, after_user UserId, last_user UserId, before timestamp) -> BestPoints
-- column: points int
-- Of users in (after_user, last_user], of attempts before. Index: quiz_attempts_for_grades.
select user_id, quiz_id, max(points) as points from quiz_attempts
where course_id = $course and user_id > $after_user and user_id <= $last_user and attempted_at < $before
group by user_id, quiz_id order by user_id, quiz_id

-- name: grade :maybe (course CourseId, user UserId) -> GradeRow
select run_id, grade, graded_at from grades where course_id = $course and user_id = $user
