-- How a job lives: docs/internals/jobs.md. The clock in these statements is the database's (SQLite: this
-- machine's, to about 40 us): leases rest on it. Times are microseconds since 1970.

-- name: lock_scheduled
-- Those of $1, a JSON array of ids, that are there: what another process has just made ready is not.
-- dialect: sqlite
select id from loadstone_scheduled where id in (select value from json_each($1))
-- dialect: postgres
select id from loadstone_scheduled where id = any (array(select json_array_elements_text($1::json)::bigint)) for update

-- name: set_paused
-- $1 queue, $2 whether it is paused.
-- dialect: sqlite
insert into loadstone_queues (name, is_paused) values ($1, $2)
on conflict (name) do update set is_paused = excluded.is_paused
-- dialect: postgres
insert into loadstone_queues (name, is_paused) values ($1, $2::integer <> 0)
on conflict (name) do update set is_paused = excluded.is_paused

-- name: jobs_before
-- Newest first, dead ones too. $1 state or '', $2 kind or '', $3 queue or '', $4 only smaller ids, $5 limit. For operators:
-- it reads the tables.
-- dialect: sqlite
select id, queue, kind, state, attempt, crashes, enqueued_at, run_at, last_error, cause, arguments, case when idempotency_key = '' then id || '-' || enqueued_at else idempotency_key end as idempotency_key
from (select id, queue, kind, state, attempt, crashes, enqueued_at, run_at, last_error, cause, arguments, idempotency_key
      from (select coalesce(job, seq) as id, queue, kind, 'waiting' as state, attempt, crashes, enqueued_at, run_at, last_error,
                   cause, arguments, idempotency_key
            from loadstone_ready) as ready
      union all
      select id, queue, kind, 'waiting', attempt, crashes, enqueued_at, run_at, last_error, cause, arguments, idempotency_key
      from loadstone_scheduled
      union all
      select id, queue, kind, 'running', attempt, crashes, enqueued_at, run_at, last_error, cause, arguments, idempotency_key
      from (select b.id as batch, b.process, b.claimed_at, json_extract(j.value, '$.id') as id, json_extract(j.value, '$.queue') as queue,
             json_extract(j.value, '$.priority') as priority, json_extract(j.value, '$.kind') as kind,
             json_extract(j.value, '$.arguments') as arguments, json_extract(j.value, '$.idempotency_key') as idempotency_key,
             json_extract(j.value, '$.cause') as cause, json_extract(j.value, '$.enqueued_at') as enqueued_at,
             json_extract(j.value, '$.run_at') as run_at, json_extract(j.value, '$.attempt') as attempt,
             json_extract(j.value, '$.crashes') as crashes, json_extract(j.value, '$.last_error') as last_error
      from loadstone_batches b, json_each(b.jobs) j
      where not exists (select 1 from loadstone_done d where d.batch = b.id and d.job = json_extract(j.value, '$.id'))) as running
      union all
      select id, queue, kind, 'dead', attempt, crashes, enqueued_at, buried_at, last_error, cause, arguments, idempotency_key
      from loadstone_dead_jobs) as every_job
where ($1 = '' or state = $1) and ($2 = '' or kind = $2) and ($3 = '' or queue = $3) and id < $4
order by id desc limit $5
-- dialect: postgres
select id, queue, kind, state, attempt, crashes, enqueued_at, run_at, last_error, cause, arguments, case when idempotency_key = '' then id || '-' || enqueued_at else idempotency_key end as idempotency_key
from (select id, queue, kind, state, attempt, crashes, enqueued_at, run_at, last_error, cause, arguments, idempotency_key
      from (select coalesce(job, seq) as id, queue, kind, 'waiting' as state, attempt, crashes, enqueued_at, run_at, last_error,
                   cause, arguments, idempotency_key
            from loadstone_ready) as ready
      union all
      select id, queue, kind, 'waiting', attempt, crashes, enqueued_at, run_at, last_error, cause, arguments, idempotency_key
      from loadstone_scheduled
      union all
      select id, queue, kind, 'running', attempt, crashes, enqueued_at, run_at, last_error, cause, arguments, idempotency_key
      from (select b.id as batch, b.process, b.claimed_at, j.id, j.queue, j.priority, j.kind, j.arguments, j.idempotency_key, j.cause, j.enqueued_at,
             j.run_at, j.attempt, j.crashes, j.last_error
      from loadstone_batches b
      cross join lateral json_to_recordset(b.jobs::json) as j (id bigint, queue text, priority integer, kind text, arguments text,
          idempotency_key text, cause text, enqueued_at bigint, run_at bigint, attempt integer, crashes integer, last_error text)
      where not exists (select 1 from loadstone_done d where d.batch = b.id and d.job = j.id)) as running
      union all
      select id, queue, kind, 'dead', attempt, crashes, enqueued_at, buried_at, last_error, cause, arguments, idempotency_key
      from loadstone_dead_jobs) as every_job
where ($1 = '' or state = $1) and ($2 = '' or kind = $2) and ($3 = '' or queue = $3) and id < $4
order by id desc limit $5

-- name: job_by_id
-- For operators: it reads the tables.
-- dialect: sqlite
select id, queue, kind, state, attempt, crashes, enqueued_at, run_at, last_error, cause, arguments, case when idempotency_key = '' then id || '-' || enqueued_at else idempotency_key end as idempotency_key
from (select id, queue, kind, state, attempt, crashes, enqueued_at, run_at, last_error, cause, arguments, idempotency_key
      from (select coalesce(job, seq) as id, queue, kind, 'waiting' as state, attempt, crashes, enqueued_at, run_at, last_error,
                   cause, arguments, idempotency_key
            from loadstone_ready) as ready
      union all
      select id, queue, kind, 'waiting', attempt, crashes, enqueued_at, run_at, last_error, cause, arguments, idempotency_key
      from loadstone_scheduled
      union all
      select id, queue, kind, 'running', attempt, crashes, enqueued_at, run_at, last_error, cause, arguments, idempotency_key
      from (select b.id as batch, b.process, b.claimed_at, json_extract(j.value, '$.id') as id, json_extract(j.value, '$.queue') as queue,
             json_extract(j.value, '$.priority') as priority, json_extract(j.value, '$.kind') as kind,
             json_extract(j.value, '$.arguments') as arguments, json_extract(j.value, '$.idempotency_key') as idempotency_key,
             json_extract(j.value, '$.cause') as cause, json_extract(j.value, '$.enqueued_at') as enqueued_at,
             json_extract(j.value, '$.run_at') as run_at, json_extract(j.value, '$.attempt') as attempt,
             json_extract(j.value, '$.crashes') as crashes, json_extract(j.value, '$.last_error') as last_error
      from loadstone_batches b, json_each(b.jobs) j
      where not exists (select 1 from loadstone_done d where d.batch = b.id and d.job = json_extract(j.value, '$.id'))) as running
      union all
      select id, queue, kind, 'dead', attempt, crashes, enqueued_at, buried_at, last_error, cause, arguments, idempotency_key
      from loadstone_dead_jobs) as every_job
where id = $1
-- dialect: postgres
select id, queue, kind, state, attempt, crashes, enqueued_at, run_at, last_error, cause, arguments, case when idempotency_key = '' then id || '-' || enqueued_at else idempotency_key end as idempotency_key
from (select id, queue, kind, state, attempt, crashes, enqueued_at, run_at, last_error, cause, arguments, idempotency_key
      from (select coalesce(job, seq) as id, queue, kind, 'waiting' as state, attempt, crashes, enqueued_at, run_at, last_error,
                   cause, arguments, idempotency_key
            from loadstone_ready) as ready
      union all
      select id, queue, kind, 'waiting', attempt, crashes, enqueued_at, run_at, last_error, cause, arguments, idempotency_key
      from loadstone_scheduled
      union all
      select id, queue, kind, 'running', attempt, crashes, enqueued_at, run_at, last_error, cause, arguments, idempotency_key
      from (select b.id as batch, b.process, b.claimed_at, j.id, j.queue, j.priority, j.kind, j.arguments, j.idempotency_key, j.cause, j.enqueued_at,
             j.run_at, j.attempt, j.crashes, j.last_error
      from loadstone_batches b
      cross join lateral json_to_recordset(b.jobs::json) as j (id bigint, queue text, priority integer, kind text, arguments text,
          idempotency_key text, cause text, enqueued_at bigint, run_at bigint, attempt integer, crashes integer, last_error text)
      where not exists (select 1 from loadstone_done d where d.batch = b.id and d.job = j.id)) as running
      union all
      select id, queue, kind, 'dead', attempt, crashes, enqueued_at, buried_at, last_error, cause, arguments, idempotency_key
      from loadstone_dead_jobs) as every_job
where id = $1

-- name: lock_dead
-- Those of $1, a JSON array of ids, that are there.
-- dialect: sqlite
select id from loadstone_dead_jobs where id in (select value from json_each($1))
-- dialect: postgres
select id from loadstone_dead_jobs where id = any (array(select json_array_elements_text($1::json)::bigint)) for update

-- name: dead_to_ready
-- Of the dead ($1, a JSON array of ids), with their attempts and crashes at 0.
-- dialect: sqlite
insert into loadstone_ready (job, queue, priority, kind, arguments, idempotency_key, cause, enqueued_at, run_at, attempt, crashes, last_error)
select id, queue, priority, kind, arguments, idempotency_key, cause, enqueued_at, cast((julianday('now') - 2440587.5) * 86400000000.0 as integer), 0, 0, last_error
from loadstone_dead_jobs where id in (select value from json_each($1)) order by id
-- dialect: postgres
insert into loadstone_ready (job, queue, priority, kind, arguments, idempotency_key, cause, enqueued_at, run_at, attempt, crashes, last_error)
select id, queue, priority, kind, arguments, idempotency_key, cause, enqueued_at, (extract(epoch from statement_timestamp()) * 1000000)::bigint, 0, 0, last_error
from loadstone_dead_jobs where id = any (array(select json_array_elements_text($1::json)::bigint)) order by id

-- name: remove_dead
-- dialect: sqlite
delete from loadstone_dead_jobs where id in (select value from json_each($1))
-- dialect: postgres
delete from loadstone_dead_jobs where id = any (array(select json_array_elements_text($1::json)::bigint))

-- name: dead_jobs_of
-- $1 kind or '', $2 queue or '', $3 text in their error or '', $4 only larger ids, $5 limit.
-- dialect: sqlite
select id from loadstone_dead_jobs
where ($1 = '' or kind = $1) and ($2 = '' or queue = $2) and ($3 = '' or instr(last_error, $3) > 0) and id > $4
order by id limit $5
-- dialect: postgres
select id from loadstone_dead_jobs
where ($1 = '' or kind = $1) and ($2 = '' or queue = $2) and ($3 = '' or position($3 in last_error) > 0) and id > $4
order by id limit $5 for update skip locked

-- name: cancel_ready
-- A job that waits ($1), wherever it stands. For operators: it reads the table.
delete from loadstone_ready where job = $1 or (job is null and seq = $1)

-- name: queue_stats
-- For operators: it reads the tables.
-- dialect: sqlite
select name, sum(ready) as ready, coalesce(max(age), 0) as oldest_us, sum(scheduled) as scheduled, sum(running) as running, sum(dead) as dead
from (select queue as name, count(*) as ready, cast((julianday('now') - 2440587.5) * 86400000000.0 as integer) - min(run_at) as age, 0 as scheduled, 0 as running, 0 as dead from loadstone_ready group by queue
      union all select queue, 0, null, count(*), 0, 0 from loadstone_scheduled group by queue
      union all select queue, 0, null, 0, count(*), 0 from (select b.id as batch, b.process, b.claimed_at, json_extract(j.value, '$.id') as id, json_extract(j.value, '$.queue') as queue,
             json_extract(j.value, '$.priority') as priority, json_extract(j.value, '$.kind') as kind,
             json_extract(j.value, '$.arguments') as arguments, json_extract(j.value, '$.idempotency_key') as idempotency_key,
             json_extract(j.value, '$.cause') as cause, json_extract(j.value, '$.enqueued_at') as enqueued_at,
             json_extract(j.value, '$.run_at') as run_at, json_extract(j.value, '$.attempt') as attempt,
             json_extract(j.value, '$.crashes') as crashes, json_extract(j.value, '$.last_error') as last_error
      from loadstone_batches b, json_each(b.jobs) j
      where not exists (select 1 from loadstone_done d where d.batch = b.id and d.job = json_extract(j.value, '$.id'))) as running group by queue
      union all select queue, 0, null, 0, 0, count(*) from loadstone_dead_jobs group by queue
      union all select name, 0, null, 0, 0, 0 from loadstone_queues) as part
group by name order by name
-- dialect: postgres
select name, sum(ready)::bigint as ready, coalesce(max(age), 0) as oldest_us, sum(scheduled)::bigint as scheduled, sum(running)::bigint as running,
       sum(dead)::bigint as dead
from (select queue as name, count(*) as ready, (extract(epoch from statement_timestamp()) * 1000000)::bigint - min(run_at) as age, 0 as scheduled, 0 as running, 0 as dead from loadstone_ready group by queue
      union all select queue, 0, null, count(*), 0, 0 from loadstone_scheduled group by queue
      union all select queue, 0, null, 0, count(*), 0 from (select b.id as batch, b.process, b.claimed_at, j.id, j.queue, j.priority, j.kind, j.arguments, j.idempotency_key, j.cause, j.enqueued_at,
             j.run_at, j.attempt, j.crashes, j.last_error
      from loadstone_batches b
      cross join lateral json_to_recordset(b.jobs::json) as j (id bigint, queue text, priority integer, kind text, arguments text,
          idempotency_key text, cause text, enqueued_at bigint, run_at bigint, attempt integer, crashes integer, last_error text)
      where not exists (select 1 from loadstone_done d where d.batch = b.id and d.job = j.id)) as running group by queue
      union all select queue, 0, null, 0, 0, count(*) from loadstone_dead_jobs group by queue
      union all select name, 0, null, 0, 0, 0 from loadstone_queues) as part
group by name order by name

-- name: ready_place
-- Where a ready job ($1) stands. For operators: it reads the table.
select queue, priority, seq from loadstone_ready where job = $1 or (job is null and seq = $1)

-- name: ready_before
-- How many ready jobs of a queue ($1) are claimed before the one of priority $2 at $3.
select count(*) from loadstone_ready where queue = $1 and (priority > $2 or (priority = $2 and seq < $3))

-- name: runs_in
-- The process in which a job ($1) runs, and since when.
-- dialect: sqlite
select coalesce(p.name, '') as name, running.claimed_at
from (select b.id as batch, b.process, b.claimed_at, json_extract(j.value, '$.id') as id, json_extract(j.value, '$.queue') as queue,
             json_extract(j.value, '$.priority') as priority, json_extract(j.value, '$.kind') as kind,
             json_extract(j.value, '$.arguments') as arguments, json_extract(j.value, '$.idempotency_key') as idempotency_key,
             json_extract(j.value, '$.cause') as cause, json_extract(j.value, '$.enqueued_at') as enqueued_at,
             json_extract(j.value, '$.run_at') as run_at, json_extract(j.value, '$.attempt') as attempt,
             json_extract(j.value, '$.crashes') as crashes, json_extract(j.value, '$.last_error') as last_error
      from loadstone_batches b, json_each(b.jobs) j
      where not exists (select 1 from loadstone_done d where d.batch = b.id and d.job = json_extract(j.value, '$.id'))) as running
left join loadstone_processes p on p.id = running.process
where running.id = $1
-- dialect: postgres
select coalesce(p.name, '') as name, running.claimed_at
from (select b.id as batch, b.process, b.claimed_at, j.id, j.queue, j.priority, j.kind, j.arguments, j.idempotency_key, j.cause, j.enqueued_at,
             j.run_at, j.attempt, j.crashes, j.last_error
      from loadstone_batches b
      cross join lateral json_to_recordset(b.jobs::json) as j (id bigint, queue text, priority integer, kind text, arguments text,
          idempotency_key text, cause text, enqueued_at bigint, run_at bigint, attempt integer, crashes integer, last_error text)
      where not exists (select 1 from loadstone_done d where d.batch = b.id and d.job = j.id)) as running
left join loadstone_processes p on p.id = running.process
where running.id = $1

-- name: live_processes
-- Those that run jobs, and not only enqueue them.
select count(*) from loadstone_processes
