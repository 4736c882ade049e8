-- row: SeededDay campus/learning/activity.h
-- row: SeededEnrolment campus/learning/learning.h
-- row: SeededCompletion campus/learning/learning.h
-- row: SeededProgress campus/learning/learning.h
-- row: SeededAttempt campus/learning/learning.h

-- name: seed_enrolments :exec (enrolments SeededEnrolment(course_id CourseId, user_id UserId, enrolled_at timestamp, lessons_completed int, active_day int)[])
insert into enrolments (course_id, user_id, enrolled_at, lessons_completed, active_day) {values enrolments}

-- name: seed_active_days :exec (days SeededDay(course_id CourseId, day int, user_id UserId, active_at timestamp, lessons int, attempts int)[])
insert into active_days (course_id, day, user_id, active_at, lessons, attempts) {values days}

-- name: seed_seats :exec (enrolments SeededEnrolment(course_id CourseId, user_id UserId, enrolled_at timestamp, lessons_completed int, active_day int)[])
insert into course_seats (course_id, taken)
select e.course_id, count(*) from {rows enrolments} as e where true group by e.course_id
on conflict (course_id) do update set taken = course_seats.taken + excluded.taken

-- name: seed_completions :exec (completions SeededCompletion(user_id UserId, course_id CourseId, completed_at timestamp)[])
insert into completions (user_id, course_id, completed_at) {values completions}

-- name: seed_progress :exec (progress SeededProgress(user_id UserId, course_id CourseId, lesson_id LessonId, position_s int, updated_at timestamp, completed_at timestamp?)[])
insert into lesson_progress (user_id, course_id, lesson_id, position_s, updated_at, completed_at) {values progress}

-- name: seed_attempts :exec (attempts SeededAttempt(course_id CourseId, user_id UserId, quiz_id QuizId, points int, points_max int, attempted_at timestamp)[])
insert into quiz_attempts (course_id, user_id, quiz_id, points, points_max, attempted_at) {values attempts}

-- name: seed_run :one (course CourseId, started_by UserId, scheme text, learners int, graded int, grade_sum int, buckets text, started_at timestamp, ended_at timestamp)
-- Done.
insert into grading_runs (course_id, started_by, state, scheme, learners, slices, job, reason, graded, grade_sum, buckets, started_at, ended_at)
values ($course, $started_by, 'done', $scheme, $learners, 0, 0, '', $graded, $grade_sum, $buckets, $started_at, $ended_at)
returning id
