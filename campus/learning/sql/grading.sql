-- States of a run: waiting, running, done, failed, cancelled. Its slices are rows as long as it runs. One that waits begins at its
-- `started_at`, or when the one that runs then has ended.

-- type: RunId grading_runs.id grading_slices.run_id grades.run_id
-- type: CourseId grading_runs.course_id grades.course_id
-- type: UserId grading_runs.started_by grading_slices.after_user grading_slices.last_user grades.user_id
-- type: timestamp grading_runs.started_at grading_runs.ended_at grades.graded_at
-- row: Slice campus/learning/slices.h
-- row: Grade campus/learning/grade.h
-- row: BestPoints campus/learning/grade.h

-- name: insert_run :maybe (course CourseId, started_by UserId, scheme text) -> BegunRun
-- None while one runs. Index: grading_runs_running keeps one per course.
insert into grading_runs (course_id, started_by, state, scheme, learners, slices, job, reason, graded, grade_sum, buckets, started_at)
values ($course, $started_by, 'running', $scheme, 0, 0, 0, '', 0, 0, '[]', {now})
on conflict (course_id) where state = 'running' do nothing
returning id, started_at

-- name: insert_waiting_run :maybe (course CourseId, started_by UserId, at timestamp)
-- None while one waits. Index: grading_runs_waiting keeps one per course.
insert into grading_runs (course_id, started_by, state, scheme, learners, slices, job, reason, graded, grade_sum, buckets, started_at)
values ($course, $started_by, 'waiting', '[]', 0, 0, 0, '', 0, 0, '[]', $at)
on conflict (course_id) where state = 'waiting' do nothing
returning id

-- name: begin_run :maybe (id RunId, scheme text) -> BegunRun
-- None: it does not wait. Index: grading_runs_running keeps one per course.
update grading_runs set state = 'running', scheme = $scheme, started_at = {now} where id = $id and state = 'waiting'
returning id, started_at

-- name: running_run :maybe (course CourseId)
-- Index: grading_runs_running.
select id, job from grading_runs where course_id = $course and state = 'running'

-- name: run_planned :exec (id RunId, job int, learners int, slices int)
-- The job is to go on with it.
update grading_runs set job = $job, learners = $learners, slices = $slices where id = $id

-- name: run_by_id :maybe (id RunId) -> RunRow
-- scheme: JSON of std::vector<WeighedQuiz>; graded, grade_sum and buckets (JSON of std::vector<std::int64_t>): when it has ended.
select id, course_id, started_by, state, scheme, learners, slices, job, reason, graded, grade_sum, buckets, started_at, ended_at
from grading_runs where id = $id

-- name: insert_slices :exec (run RunId, slices Slice(number int, after_user UserId, last_user UserId, learners int)[])
insert into grading_slices (run_id, number, after_user, last_user, learners, graded, grade_sum, buckets)
select $run, s.number, s.after_user, s.last_user, s.learners, 0, 0, '[]' from {rows slices} as s

-- name: slice :maybe (run RunId, number int) -> Slice
select number, after_user, last_user, learners from grading_slices where run_id = $run and number = $number

-- name: record_slice :exec (run RunId, number int, graded int, grade_sum int, buckets text)
-- None: the run has ended. What is graded twice is counted twice.
update grading_slices set graded = graded + $graded, grade_sum = grade_sum + $grade_sum, buckets = $buckets
where run_id = $run and number = $number

-- name: save_grades :exec (course CourseId, run RunId, grades Grade(user_id UserId, grade int)[], now timestamp)
insert into grades (course_id, user_id, run_id, grade, graded_at)
select $course, g.user_id, $run, g.grade, $now from {rows grades} as g where true
on conflict (course_id, user_id) do update set run_id = excluded.run_id, grade = excluded.grade, graded_at = excluded.graded_at

-- name: slices_of_run :many (run RunId) -> SliceResult
-- All: of the largest course 5,000. Primary key.
select graded, grade_sum, buckets from grading_slices where run_id = $run

-- name: graded_so_far :one (run RunId)
-- column: graded int
-- Of a run that runs. Primary key.
select cast(coalesce(sum(graded), 0) as bigint) as graded from grading_slices where run_id = $run

-- name: end_run :exec (id RunId, state text, reason text, graded int, grade_sum int, buckets text, now timestamp)
-- None: it has ended already.
update grading_runs set state = $state, reason = $reason, graded = $graded, grade_sum = $grade_sum, buckets = $buckets, ended_at = $now
where id = $id and state = 'running'

-- name: give_up_run :exec (id RunId, job int, reason text, now timestamp)
-- None: it has ended already, or another job goes on with it.
update grading_runs set state = 'failed', reason = $reason, ended_at = $now,
    graded = (select cast(coalesce(sum(s.graded), 0) as bigint) from grading_slices as s where s.run_id = $id)
where id = $id and job = $job and state in ('waiting', 'running')

-- name: cancel_run :exec (id RunId, job int, now timestamp)
-- As give_up_run, but for how many were graded: slices may be recorded meanwhile, up to take_slices.
update grading_runs set state = 'cancelled', ended_at = $now
where id = $id and job = $job and state in ('waiting', 'running')

-- name: set_graded :exec (id RunId, graded int)
update grading_runs set graded = $graded where id = $id

-- name: take_slices :many (run RunId)
-- column: graded int
-- All: of the largest course 5,000, each as it was recorded last. Primary key.
delete from grading_slices where run_id = $run returning graded

-- name: remove_slices :exec (run RunId)
-- Primary key.
delete from grading_slices where run_id = $run

-- name: long_unended :page (started_at, id) (before timestamp) -> UnendedRow
-- Index: grading_runs_long_unended.
select id, job, started_at from grading_runs where state in ('waiting', 'running') and started_at < $before
