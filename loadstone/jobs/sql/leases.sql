-- How a job lives: docs/internals/jobs.md. The clock in these statements is the database's (SQLite: this
-- machine's, to about 40 us): leases rest on it. Times are microseconds since 1970.

-- name: register_process
-- dialect: sqlite
insert into loadstone_processes (name, started_at, heartbeat_at) values ($1, cast((julianday('now') - 2440587.5) * 86400000000.0 as integer), cast((julianday('now') - 2440587.5) * 86400000000.0 as integer)) returning id
-- dialect: postgres
insert into loadstone_processes (name, started_at, heartbeat_at) values ($1, (extract(epoch from statement_timestamp()) * 1000000)::bigint, (extract(epoch from statement_timestamp()) * 1000000)::bigint) returning id

-- name: renew_heartbeat
-- dialect: sqlite
update loadstone_processes set heartbeat_at = cast((julianday('now') - 2440587.5) * 86400000000.0 as integer) where id = $1
-- dialect: postgres
update loadstone_processes set heartbeat_at = (extract(epoch from statement_timestamp()) * 1000000)::bigint where id = $1

-- name: remove_dead_processes
-- $1: microseconds after which a process without a heartbeat is dead.
-- dialect: sqlite
delete from loadstone_processes where heartbeat_at < cast((julianday('now') - 2440587.5) * 86400000000.0 as integer) - $1
-- dialect: postgres
delete from loadstone_processes where heartbeat_at < (extract(epoch from statement_timestamp()) * 1000000)::bigint - $1

-- name: orphaned_batches
-- Those of processes that are gone.
-- dialect: sqlite
select id from loadstone_batches where process not in (select id from loadstone_processes)
-- dialect: postgres
select id from loadstone_batches where process not in (select id from loadstone_processes) for update skip locked

-- name: batches_of
-- All of process $1 but those in $2, a JSON array of ids. Index: loadstone_batches_by_process.
-- dialect: sqlite
select id from loadstone_batches where process = $1 and id not in (select value from json_each($2))
-- dialect: postgres
select id from loadstone_batches where process = $1 and id <> all (array(select json_array_elements_text($2::json)::bigint)) for update

-- name: bury_poison_jobs
-- Of orphaned batches ($1): jobs that have taken down $2 - 1 processes before; this one makes $2.
-- dialect: sqlite
insert into loadstone_dead_jobs (id, queue, priority, kind, arguments, idempotency_key, cause, enqueued_at, buried_at, attempt, crashes, last_error)
select id, queue, priority, kind, arguments, idempotency_key, cause, enqueued_at, cast((julianday('now') - 2440587.5) * 86400000000.0 as integer), attempt, crashes + 1,
       'its process died ' || (crashes + 1) || ' times while it ran'
from (select b.id as batch, b.process, b.claimed_at, json_extract(j.value, '$.id') as id, json_extract(j.value, '$.queue') as queue,
             json_extract(j.value, '$.priority') as priority, json_extract(j.value, '$.kind') as kind,
             json_extract(j.value, '$.arguments') as arguments, json_extract(j.value, '$.idempotency_key') as idempotency_key,
             json_extract(j.value, '$.cause') as cause, json_extract(j.value, '$.enqueued_at') as enqueued_at,
             json_extract(j.value, '$.run_at') as run_at, json_extract(j.value, '$.attempt') as attempt,
             json_extract(j.value, '$.crashes') as crashes, json_extract(j.value, '$.last_error') as last_error
      from loadstone_batches b, json_each(b.jobs) j
      where b.id in (select value from json_each($1)) and not exists (select 1 from loadstone_done d where d.batch = b.id and d.job = json_extract(j.value, '$.id'))) as running
where crashes + 1 >= $2
-- dialect: postgres
insert into loadstone_dead_jobs (id, queue, priority, kind, arguments, idempotency_key, cause, enqueued_at, buried_at, attempt, crashes, last_error)
select id, queue, priority, kind, arguments, idempotency_key, cause, enqueued_at, (extract(epoch from statement_timestamp()) * 1000000)::bigint, attempt, crashes + 1,
       'its process died ' || (crashes + 1) || ' times while it ran'
from (select b.id as batch, b.process, b.claimed_at, j.id, j.queue, j.priority, j.kind, j.arguments, j.idempotency_key, j.cause, j.enqueued_at,
             j.run_at, j.attempt, j.crashes, j.last_error
      from loadstone_batches b
      cross join lateral json_to_recordset(b.jobs::json) as j (id bigint, queue text, priority integer, kind text, arguments text,
          idempotency_key text, cause text, enqueued_at bigint, run_at bigint, attempt integer, crashes integer, last_error text)
      where b.id = any (array(select json_array_elements_text($1::json)::bigint)) and not exists (select 1 from loadstone_done d where d.batch = b.id and d.job = j.id)) as running
where crashes + 1 >= $2

-- name: rescue_jobs
-- Of orphaned batches ($1): the rest is ready now. A crash counts apart from an attempt.
-- dialect: sqlite
insert into loadstone_ready (job, queue, priority, kind, arguments, idempotency_key, cause, enqueued_at, run_at, attempt, crashes, last_error)
select id, queue, priority, kind, arguments, idempotency_key, cause, enqueued_at, cast((julianday('now') - 2440587.5) * 86400000000.0 as integer), attempt, crashes + 1, 'its process died'
from (select b.id as batch, b.process, b.claimed_at, json_extract(j.value, '$.id') as id, json_extract(j.value, '$.queue') as queue,
             json_extract(j.value, '$.priority') as priority, json_extract(j.value, '$.kind') as kind,
             json_extract(j.value, '$.arguments') as arguments, json_extract(j.value, '$.idempotency_key') as idempotency_key,
             json_extract(j.value, '$.cause') as cause, json_extract(j.value, '$.enqueued_at') as enqueued_at,
             json_extract(j.value, '$.run_at') as run_at, json_extract(j.value, '$.attempt') as attempt,
             json_extract(j.value, '$.crashes') as crashes, json_extract(j.value, '$.last_error') as last_error
      from loadstone_batches b, json_each(b.jobs) j
      where b.id in (select value from json_each($1)) and not exists (select 1 from loadstone_done d where d.batch = b.id and d.job = json_extract(j.value, '$.id'))) as running
where crashes + 1 < $2
-- dialect: postgres
insert into loadstone_ready (job, queue, priority, kind, arguments, idempotency_key, cause, enqueued_at, run_at, attempt, crashes, last_error)
select id, queue, priority, kind, arguments, idempotency_key, cause, enqueued_at, (extract(epoch from statement_timestamp()) * 1000000)::bigint, attempt, crashes + 1, 'its process died'
from (select b.id as batch, b.process, b.claimed_at, j.id, j.queue, j.priority, j.kind, j.arguments, j.idempotency_key, j.cause, j.enqueued_at,
             j.run_at, j.attempt, j.crashes, j.last_error
      from loadstone_batches b
      cross join lateral json_to_recordset(b.jobs::json) as j (id bigint, queue text, priority integer, kind text, arguments text,
          idempotency_key text, cause text, enqueued_at bigint, run_at bigint, attempt integer, crashes integer, last_error text)
      where b.id = any (array(select json_array_elements_text($1::json)::bigint)) and not exists (select 1 from loadstone_done d where d.batch = b.id and d.job = j.id)) as running
where crashes + 1 < $2

-- name: hand_back_jobs
-- Of the batches in $1: neither an attempt nor a crash.
-- dialect: sqlite
insert into loadstone_ready (job, queue, priority, kind, arguments, idempotency_key, cause, enqueued_at, run_at, attempt, crashes, last_error)
select id, queue, priority, kind, arguments, idempotency_key, cause, enqueued_at, cast((julianday('now') - 2440587.5) * 86400000000.0 as integer), attempt, crashes, last_error
from (select b.id as batch, b.process, b.claimed_at, json_extract(j.value, '$.id') as id, json_extract(j.value, '$.queue') as queue,
             json_extract(j.value, '$.priority') as priority, json_extract(j.value, '$.kind') as kind,
             json_extract(j.value, '$.arguments') as arguments, json_extract(j.value, '$.idempotency_key') as idempotency_key,
             json_extract(j.value, '$.cause') as cause, json_extract(j.value, '$.enqueued_at') as enqueued_at,
             json_extract(j.value, '$.run_at') as run_at, json_extract(j.value, '$.attempt') as attempt,
             json_extract(j.value, '$.crashes') as crashes, json_extract(j.value, '$.last_error') as last_error
      from loadstone_batches b, json_each(b.jobs) j
      where b.id in (select value from json_each($1)) and not exists (select 1 from loadstone_done d where d.batch = b.id and d.job = json_extract(j.value, '$.id'))) as running
-- dialect: postgres
insert into loadstone_ready (job, queue, priority, kind, arguments, idempotency_key, cause, enqueued_at, run_at, attempt, crashes, last_error)
select id, queue, priority, kind, arguments, idempotency_key, cause, enqueued_at, (extract(epoch from statement_timestamp()) * 1000000)::bigint, attempt, crashes, last_error
from (select b.id as batch, b.process, b.claimed_at, j.id, j.queue, j.priority, j.kind, j.arguments, j.idempotency_key, j.cause, j.enqueued_at,
             j.run_at, j.attempt, j.crashes, j.last_error
      from loadstone_batches b
      cross join lateral json_to_recordset(b.jobs::json) as j (id bigint, queue text, priority integer, kind text, arguments text,
          idempotency_key text, cause text, enqueued_at bigint, run_at bigint, attempt integer, crashes integer, last_error text)
      where b.id = any (array(select json_array_elements_text($1::json)::bigint)) and not exists (select 1 from loadstone_done d where d.batch = b.id and d.job = j.id)) as running

-- name: remove_process
delete from loadstone_processes where id = $1
