-- How a job lives: docs/internals/jobs.md.

-- name: hold_batches
-- Those of the batches in $1 that $2 still holds; nobody takes them before this transaction ends.
-- dialect: sqlite
select id from loadstone_batches where process = $2 and id {ids} order by id
-- dialect: postgres
select id from loadstone_batches where process = $2 and id {ids} order by id for no key update

-- name: remove_held_batches
-- Those of the batches in $1 that $2 still holds.
delete from loadstone_batches where process = $2 and id {ids} returning id

-- name: complete_job
-- $1 batch, $2 job, $3 process, $4 what it gave to those behind it, or null. Whoever rescues the batch waits for this transaction,
-- and sees what it did.
-- dialect: sqlite
insert into loadstone_done (batch, job, result)
select id, $2, $4 from loadstone_batches where id = $1 and process = $3
on conflict do nothing
-- dialect: postgres
with held as (select id from loadstone_batches where id = $1 and process = $3 for key share)
insert into loadstone_done (batch, job, result) select id, $2, $4 from held
on conflict do nothing

-- name: hold_job
-- As complete_job, without completing it: $1 batch, $2 process, $3 job. None if it has ended.
-- dialect: sqlite
select id from loadstone_batches
where id = $1 and process = $2 and not exists (select 1 from loadstone_done where batch = $1 and job = $3)
-- dialect: postgres
select id from loadstone_batches
where id = $1 and process = $2 and not exists (select 1 from loadstone_done where batch = $1 and job = $3) for key share

-- name: mark_failed
-- $1: a JSON array of {"batch":..,"job":..}. Gives those that had not completed themselves; it waits for one that is just
-- doing so. Settled: what its end means for others is recorded too.
-- dialect: sqlite
insert into loadstone_done (batch, job, is_settled)
select json_extract(value, '$.batch'), json_extract(value, '$.job'), 1 from json_each($1) where true
on conflict (batch, job) do nothing returning batch, job
-- dialect: postgres
insert into loadstone_done (batch, job, is_settled)
select batch, job, 1 from json_to_recordset($1::json) as done (batch bigint, job bigint)
on conflict (batch, job) do nothing returning batch, job

-- name: mark_done
-- As mark_failed, also of those that have completed themselves.
-- dialect: sqlite
insert into loadstone_done (batch, job, is_settled)
select json_extract(value, '$.batch'), json_extract(value, '$.job'), 1 from json_each($1) where true
on conflict (batch, job) do update set is_settled = 1
-- dialect: postgres
insert into loadstone_done (batch, job, is_settled)
select batch, job, 1 from json_to_recordset($1::json) as done (batch bigint, job bigint)
on conflict (batch, job) do update set is_settled = 1

-- name: settled_of
-- Jobs of the batches in $1 of which all is recorded: a record whose answer was lost may have happened.
select batch, job from loadstone_done where batch {ids} and is_settled = 1

-- name: remove_batches
delete from loadstone_batches where id {ids}

-- name: remove_done
delete from loadstone_done where batch {ids}

-- name: ready_jobs
-- $1: a JSON array of jobs.
insert into loadstone_ready (job, {columns})
select id, queue, partition_key, priority, kind, arguments, idempotency_key, cause, enqueued_at, {now}, attempt, crashes, last_error, extra
from {jobs} order by place

-- name: schedule_jobs
-- $1: a JSON array of jobs; their run_at is microseconds from now.
insert into loadstone_scheduled (id, {columns})
select id, queue, partition_key, priority, kind, arguments, idempotency_key, cause, enqueued_at, {now} + run_at, attempt, crashes, last_error, extra
from {jobs}

-- name: bury_jobs
-- $1: a JSON array of jobs.
insert into loadstone_dead_jobs (id, queue, partition_key, priority, kind, arguments, idempotency_key, cause, enqueued_at, buried_at, attempt, crashes, last_error, extra)
select id, queue, partition_key, priority, kind, arguments, idempotency_key, cause, enqueued_at, {now}, attempt, crashes, last_error, extra
from {jobs}
