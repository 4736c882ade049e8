-- States of a run: running, done, failed. Its slices are rows as long as it runs.

-- name: insert_run
-- $3: scheme. None while one runs. Index: grading_runs_running keeps one per course.
insert into grading_runs (course_id, started_by, state, scheme, learners, slices, job, reason, graded, grade_sum, buckets, started_at)
values ($1, $2, 'running', $3, 0, 0, 0, '', 0, 0, '[]', {now})
on conflict (course_id) where state = 'running' do nothing
returning id, started_at

-- name: running_run
-- Index: grading_runs_running.
select id from grading_runs where course_id = $1 and state = 'running'

-- name: run_planned
-- $2: the job that is to go on with it.
update grading_runs set job = $2, learners = $3, slices = $4 where id = $1

-- name: run_by_id
select id, course_id, started_by, state, scheme, learners, slices, job, reason, graded, grade_sum, buckets, started_at, ended_at
from grading_runs where id = $1

-- name: insert_slices
-- $2: a JSON array of {"number":..,"after_user":..,"last_user":..,"learners":..}.
-- dialect: sqlite
insert into grading_slices (run_id, number, after_user, last_user, learners, graded, grade_sum, buckets)
select $1, json_extract(s.value, '$.number'), json_extract(s.value, '$.after_user'), json_extract(s.value, '$.last_user'),
       json_extract(s.value, '$.learners'), 0, 0, '[]'
from json_each($2) as s
-- dialect: postgres
insert into grading_slices (run_id, number, after_user, last_user, learners, graded, grade_sum, buckets)
select $1, number, after_user, last_user, learners, 0, 0, '[]'
from json_to_recordset($2::json) as s (number bigint, after_user bigint, last_user bigint, learners bigint)

-- name: slice
select number, after_user, last_user, learners from grading_slices where run_id = $1 and number = $2

-- name: record_slice
-- None: the run has ended. What is graded twice is counted twice.
update grading_slices set graded = graded + $3, grade_sum = grade_sum + $4, buckets = $5 where run_id = $1 and number = $2

-- name: save_grades
-- $3: a JSON array of {"user_id":..,"grade":..}; $4: now.
-- dialect: sqlite
insert into grades (course_id, user_id, run_id, grade, graded_at)
select $1, json_extract(g.value, '$.user_id'), $2, json_extract(g.value, '$.grade'), $4 from json_each($3) as g where true
on conflict (course_id, user_id) do update set run_id = excluded.run_id, grade = excluded.grade, graded_at = excluded.graded_at
-- dialect: postgres
insert into grades (course_id, user_id, run_id, grade, graded_at)
select $1, user_id, $2, grade, $4 from json_to_recordset($3::json) as g (user_id bigint, grade bigint)
on conflict (course_id, user_id) do update set run_id = excluded.run_id, grade = excluded.grade, graded_at = excluded.graded_at

-- name: slices_of_run
-- All: of the largest course 5,000. Primary key.
select graded, grade_sum, buckets from grading_slices where run_id = $1

-- name: graded_so_far
-- Primary key.
select cast(coalesce(sum(graded), 0) as bigint) from grading_slices where run_id = $1

-- name: end_run
-- None: it has ended already. $2 state, $3 why it has failed, $4 graded, $5 sum of grades, $6 buckets, $7 now.
update grading_runs set state = $2, reason = $3, graded = $4, grade_sum = $5, buckets = $6, ended_at = $7
where id = $1 and state = 'running'

-- name: give_up_run
-- $3: why. None: it has ended already, or another job than $2 goes on with it.
update grading_runs set state = 'failed', reason = $3, ended_at = $4,
    graded = (select cast(coalesce(sum(s.graded), 0) as bigint) from grading_slices as s where s.run_id = $1)
where id = $1 and job = $2 and state = 'running'

-- name: remove_slices
-- Primary key.
delete from grading_slices where run_id = $1

-- name: long_running
-- Keyset: started before $1, behind ($2, $3), $4 at most. Index: grading_runs_long_running.
select id, job, started_at from grading_runs
where state = 'running' and started_at < $1 and (started_at, id) > ($2, $3)
order by started_at, id limit $4
