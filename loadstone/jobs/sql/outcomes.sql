-- How a job lives: docs/internals/jobs.md. The clock in these statements is the database's (SQLite: this
-- machine's, to about 40 us): leases rest on it. Times are microseconds since 1970.

-- name: hold_batches
-- Those of the batches in $2 that $1 still holds; nobody takes them before this transaction ends.
-- dialect: sqlite
select id from loadstone_batches where process = $1 and id in (select value from json_each($2)) order by id
-- dialect: postgres
select id from loadstone_batches where process = $1 and id = any (array(select json_array_elements_text($2::json)::bigint)) order by id for no key update

-- name: complete_job
-- $1 batch, $2 job, $3 process. Whoever rescues the batch waits for this transaction, and sees what it did.
-- dialect: sqlite
insert into loadstone_done (batch, job)
select id, $2 from loadstone_batches where id = $1 and process = $3
on conflict do nothing
-- dialect: postgres
with held as (select id from loadstone_batches where id = $1 and process = $3 for key share)
insert into loadstone_done (batch, job) select id, $2 from held
on conflict do nothing

-- name: mark_failed
-- As mark_done, giving those that had not completed themselves. It waits for one that is just doing so.
-- dialect: sqlite
insert into loadstone_done (batch, job)
select json_extract(value, '$.batch'), json_extract(value, '$.job') from json_each($1) where true
on conflict do nothing returning batch, job
-- dialect: postgres
insert into loadstone_done (batch, job)
select batch, job from json_to_recordset($1::json) as done (batch bigint, job bigint)
on conflict do nothing returning batch, job

-- name: mark_done
-- $1: a JSON array of {"batch":..,"job":..}.
-- dialect: sqlite
insert into loadstone_done (batch, job)
select json_extract(value, '$.batch'), json_extract(value, '$.job') from json_each($1) where true
on conflict do nothing
-- dialect: postgres
insert into loadstone_done (batch, job)
select batch, job from json_to_recordset($1::json) as done (batch bigint, job bigint)
on conflict do nothing

-- name: remove_batches
-- dialect: sqlite
delete from loadstone_batches where id in (select value from json_each($1))
-- dialect: postgres
delete from loadstone_batches where id = any (array(select json_array_elements_text($1::json)::bigint))

-- name: remove_done
-- dialect: sqlite
delete from loadstone_done where batch in (select value from json_each($1))
-- dialect: postgres
delete from loadstone_done where batch = any (array(select json_array_elements_text($1::json)::bigint))

-- name: schedule_jobs
-- $1: a JSON array of jobs; their run_at is microseconds from now.
-- dialect: sqlite
insert into loadstone_scheduled (id, queue, priority, kind, arguments, idempotency_key, cause, enqueued_at, run_at, attempt, crashes, last_error)
select json_extract(value, '$.id'), json_extract(value, '$.queue'), json_extract(value, '$.priority'), json_extract(value, '$.kind'), json_extract(value, '$.arguments'),
       json_extract(value, '$.idempotency_key'), json_extract(value, '$.cause'), json_extract(value, '$.enqueued_at'), cast((julianday('now') - 2440587.5) * 86400000000.0 as integer) + json_extract(value, '$.run_at'), json_extract(value, '$.attempt'),
       json_extract(value, '$.crashes'), json_extract(value, '$.last_error')
from json_each($1)
-- dialect: postgres
insert into loadstone_scheduled (id, queue, priority, kind, arguments, idempotency_key, cause, enqueued_at, run_at, attempt, crashes, last_error)
select id, queue, priority, kind, arguments, idempotency_key, cause, enqueued_at, (extract(epoch from statement_timestamp()) * 1000000)::bigint + run_at, attempt, crashes, last_error
from json_to_recordset($1::json) as j (id bigint, queue text, priority integer, kind text, arguments text, idempotency_key text,
    cause text, enqueued_at bigint, run_at bigint, attempt integer, crashes integer, last_error text)

-- name: bury_jobs
-- $1: a JSON array of jobs.
-- dialect: sqlite
insert into loadstone_dead_jobs (id, queue, priority, kind, arguments, idempotency_key, cause, enqueued_at, buried_at, attempt, crashes, last_error)
select json_extract(value, '$.id'), json_extract(value, '$.queue'), json_extract(value, '$.priority'), json_extract(value, '$.kind'), json_extract(value, '$.arguments'),
       json_extract(value, '$.idempotency_key'), json_extract(value, '$.cause'), json_extract(value, '$.enqueued_at'), cast((julianday('now') - 2440587.5) * 86400000000.0 as integer), json_extract(value, '$.attempt'), json_extract(value, '$.crashes'),
       json_extract(value, '$.last_error')
from json_each($1)
-- dialect: postgres
insert into loadstone_dead_jobs (id, queue, priority, kind, arguments, idempotency_key, cause, enqueued_at, buried_at, attempt, crashes, last_error)
select id, queue, priority, kind, arguments, idempotency_key, cause, enqueued_at, (extract(epoch from statement_timestamp()) * 1000000)::bigint, attempt, crashes, last_error
from json_to_recordset($1::json) as j (id bigint, queue text, priority integer, kind text, arguments text, idempotency_key text,
    cause text, enqueued_at bigint, run_at bigint, attempt integer, crashes integer, last_error text)
