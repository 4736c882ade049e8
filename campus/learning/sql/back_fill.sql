-- What learners did, from the tables: at any commit the facts that were recorded up to it (loadstone/analytics/back_fill.h).

-- type: CourseId departures.course_id
-- type: UserId departures.user_id
-- type: timestamp departures.left_at departures.enrolled_at
-- row: Activity campus/learning/facts.h

-- name: activity_of_courses :stream (first CourseId, end CourseId) -> Activity
-- column: happened_at timestamp
-- column: course CourseId
-- column: learner UserId
-- column: kind text
-- column: lesson LessonId?
-- column: quiz QuizId?
-- column: points int?
-- column: points_max int?
-- Index: a range of enrolments, departures and active_days by their keys, of lesson_progress_of_course, quiz_attempts_for_grades or _of_course,
-- completions_of_course.
select enrolled_at as happened_at, course_id as course, user_id as learner, 'enrolled' as kind, cast(null as bigint) as lesson,
    cast(null as bigint) as quiz, cast(null as bigint) as points, cast(null as bigint) as points_max
from enrolments where course_id >= $first and course_id < $end
union all
select enrolled_at, course_id, user_id, 'enrolled', cast(null as bigint), cast(null as bigint), cast(null as bigint), cast(null as bigint)
from departures where course_id >= $first and course_id < $end
union all
select left_at, course_id, user_id, 'left', cast(null as bigint), cast(null as bigint), cast(null as bigint), cast(null as bigint)
from departures where course_id >= $first and course_id < $end
union all
select active_at, course_id, user_id, 'active', cast(null as bigint), cast(null as bigint), cast(null as bigint), cast(null as bigint)
from active_days where course_id >= $first and course_id < $end
union all
select completed_at, course_id, user_id, 'lesson_completed', lesson_id, cast(null as bigint), cast(null as bigint), cast(null as bigint)
from lesson_progress where course_id >= $first and course_id < $end and completed_at is not null
union all
select attempted_at, course_id, user_id, 'quiz_attempted', cast(null as bigint), quiz_id, points, points_max
from quiz_attempts where course_id >= $first and course_id < $end
union all
select completed_at, course_id, user_id, 'course_completed', cast(null as bigint), cast(null as bigint), cast(null as bigint), cast(null as bigint)
from completions where course_id >= $first and course_id < $end

-- name: last_course :one ()
-- column: last int
-- That anybody ever enrolled in. Primary key.
select coalesce(max(course_id), 0) as last from course_seats

-- name: note_departure :exec (course CourseId, user UserId, enrolled_at timestamp, left_at timestamp)
insert into departures (course_id, user_id, enrolled_at, left_at) values ($course, $user, $enrolled_at, $left_at)
