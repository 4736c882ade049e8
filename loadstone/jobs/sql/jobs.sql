-- How a job lives: docs/internals/jobs.md. The clock in these statements is the database's (SQLite: this
-- machine's, to about 40 us): leases rest on it. Times are microseconds since 1970.

-- name: see_commits
-- The first statement of a transaction: each further one sees what was committed before it, and waits for locks instead of
-- failing. What moves jobs between tables rests on it. SQLite's writer sees nothing else.
-- dialect: sqlite
select 0 as unused where 0 = 1
-- dialect: postgres
set transaction isolation level read committed

-- name: insert_ready
-- $1 queue, $2 priority, $3 kind, $4 arguments, $5 cause. A job's id is where it first stands.
-- dialect: sqlite
insert into loadstone_ready (queue, priority, kind, arguments, cause, enqueued_at, run_at)
values ($1, $2, $3, $4, $5, cast((julianday('now') - 2440587.5) * 86400000000.0 as integer), cast((julianday('now') - 2440587.5) * 86400000000.0 as integer))
returning seq
-- dialect: postgres
insert into loadstone_ready (queue, priority, kind, arguments, cause, enqueued_at, run_at)
values ($1, $2, $3, $4, $5, (extract(epoch from statement_timestamp()) * 1000000)::bigint, (extract(epoch from statement_timestamp()) * 1000000)::bigint)
returning seq

-- name: insert_all_ready
-- $4: a JSON array of arguments, each a text.
-- dialect: sqlite
insert into loadstone_ready (queue, priority, kind, arguments, cause, enqueued_at, run_at)
select $1, $2, $3, value, $5, cast((julianday('now') - 2440587.5) * 86400000000.0 as integer), cast((julianday('now') - 2440587.5) * 86400000000.0 as integer) from json_each($4) order by key
-- dialect: postgres
insert into loadstone_ready (queue, priority, kind, arguments, cause, enqueued_at, run_at)
select $1, $2, $3, value, $5, (extract(epoch from statement_timestamp()) * 1000000)::bigint, (extract(epoch from statement_timestamp()) * 1000000)::bigint from json_array_elements_text($4::json) with ordinality as each (value, place) order by place

-- name: schedule_ready
-- What $1 has just inserted, for later: $2 microseconds from now.
-- dialect: sqlite
insert into loadstone_scheduled (id, queue, priority, kind, arguments, idempotency_key, cause, enqueued_at, run_at, attempt, crashes, last_error)
select seq, queue, priority, kind, arguments, idempotency_key, cause, enqueued_at, cast((julianday('now') - 2440587.5) * 86400000000.0 as integer) + $2, attempt, crashes, last_error
from loadstone_ready where queue = $3 and priority = $4 and seq = $1
-- dialect: postgres
insert into loadstone_scheduled (id, queue, priority, kind, arguments, idempotency_key, cause, enqueued_at, run_at, attempt, crashes, last_error)
select seq, queue, priority, kind, arguments, idempotency_key, cause, enqueued_at, (extract(epoch from statement_timestamp()) * 1000000)::bigint + $2, attempt, crashes, last_error
from loadstone_ready where queue = $3 and priority = $4 and seq = $1

-- name: remove_new_ready
-- What this transaction has just inserted. Index: loadstone_ready_for_claim, on PostgreSQL the primary key.
delete from loadstone_ready where queue = $1 and priority = $2 and seq = $3

-- name: remove_ready
-- $1: a JSON array of places, each where the row stands: no index is needed, and no plan can choose a bad one.
-- dialect: sqlite
delete from loadstone_ready where seq in (select cast(value as integer) from json_each($1))
-- dialect: postgres
delete from loadstone_ready where ctid = any (array(select json_array_elements_text($1::json)::tid))

-- name: lane_to_claim
-- The next $5 jobs of kinds in $4 of one queue ($1) and priority ($2), behind $3: entries that are dead and yet
-- visible to some old snapshot lie before it. Index: loadstone_ready_for_claim, on PostgreSQL the primary key.
-- Nothing for a process ($6) that has been declared dead.
-- dialect: sqlite
select coalesce(job, seq) as id, cast(seq as text) as place, queue, priority, kind, arguments, idempotency_key, cause, enqueued_at, run_at, attempt, crashes, last_error
from loadstone_ready
where queue = $1 and priority = $2 and seq > $3 and kind in (select value from json_each($4))
  and exists (select 1 from loadstone_processes where id = $6)
  and not exists (select 1 from loadstone_queues where name = $1 and is_paused = 1)
order by seq limit $5
-- dialect: postgres
select coalesce(job, seq) as id, ctid::text as place, queue, priority, kind, arguments, idempotency_key, cause, enqueued_at, run_at, attempt, crashes, last_error
from loadstone_ready
where queue = $1 and priority = $2 and seq > $3 and kind = any (array(select json_array_elements_text($4::json)))
  and exists (select 1 from loadstone_processes where id = $6)
  and not exists (select 1 from loadstone_queues where name = $1 and is_paused)
order by seq limit $5 for update skip locked

-- name: insert_batch
-- $1 process, $2 JSON array of its jobs.
-- dialect: sqlite
insert into loadstone_batches (process, claimed_at, jobs) values ($1, cast((julianday('now') - 2440587.5) * 86400000000.0 as integer), $2) returning id
-- dialect: postgres
insert into loadstone_batches (process, claimed_at, jobs) values ($1, (extract(epoch from statement_timestamp()) * 1000000)::bigint, $2) returning id

-- name: lanes
-- Each queue and priority of which a job is ready. Index: loadstone_ready_for_claim, entered once for each.
-- dialect: sqlite
with recursive lane (queue, priority) as (
    select * from (select queue, priority from loadstone_ready order by queue, priority limit 1)
    union all
    select next.queue, next.priority from lane
    join loadstone_ready as next on next.seq = (
        select seq from loadstone_ready where (queue, priority) > (lane.queue, lane.priority)
        order by queue, priority, seq limit 1))
select queue, priority from lane
-- dialect: postgres
with recursive lane as (
    (select queue, priority from loadstone_ready order by queue, priority limit 1)
    union all
    select next.queue, next.priority from lane
    cross join lateral (select queue, priority from loadstone_ready
                        where (queue, priority) > (lane.queue, lane.priority)
                        order by queue, priority limit 1) as next)
select queue, priority from lane

-- name: first_ready_behind
-- Of one queue ($1) and priority ($2), behind $3, of the kinds in $4.
-- dialect: sqlite
select seq from loadstone_ready where queue = $1 and priority = $2 and seq > $3 and kind in (select value from json_each($4)) order by seq limit 1
-- dialect: postgres
select seq from loadstone_ready where queue = $1 and priority = $2 and seq > $3 and kind = any (array(select json_array_elements_text($4::json))) order by seq limit 1

-- name: last_ready
-- Every seq up to it has been given out. SQLite has one writer, so that it needs no such thing.
-- dialect: sqlite
select 0 as last
-- dialect: postgres
select coalesce(pg_sequence_last_value(pg_get_serial_sequence('loadstone_ready', 'seq')::regclass), 0) as last

-- name: transactions_now
-- All transactions before `oldest` have ended; none has begun at `next` or behind it. (A snapshot's xmax is only the first
-- behind the last that has ended; age() counts from what is given out next.)
-- dialect: sqlite
select 0 as oldest, 0 as next
-- dialect: postgres
select pg_snapshot_xmin(now)::text::bigint as oldest, pg_snapshot_xmax(now)::text::bigint + age(pg_snapshot_xmax(now)::xid) as next
from pg_current_snapshot() as now

-- name: due_jobs
-- Index: loadstone_scheduled_by_time.
-- dialect: sqlite
select id from loadstone_scheduled where run_at <= cast((julianday('now') - 2440587.5) * 86400000000.0 as integer) order by run_at limit $1
-- dialect: postgres
select id from loadstone_scheduled where run_at <= (extract(epoch from statement_timestamp()) * 1000000)::bigint order by run_at limit $1 for update skip locked

-- name: lock_scheduled
-- Those of $1, a JSON array of ids, that are there: what another process has just made ready is not.
-- dialect: sqlite
select id from loadstone_scheduled where id in (select value from json_each($1))
-- dialect: postgres
select id from loadstone_scheduled where id = any (array(select json_array_elements_text($1::json)::bigint)) for update

-- name: ready_scheduled
-- Scheduled jobs ($1, a JSON array of ids) are ready now.
-- dialect: sqlite
insert into loadstone_ready (job, queue, priority, kind, arguments, idempotency_key, cause, enqueued_at, run_at, attempt, crashes, last_error)
select id, queue, priority, kind, arguments, idempotency_key, cause, enqueued_at, cast((julianday('now') - 2440587.5) * 86400000000.0 as integer), attempt, crashes, last_error
from loadstone_scheduled where id in (select value from json_each($1)) order by run_at, id
-- dialect: postgres
insert into loadstone_ready (job, queue, priority, kind, arguments, idempotency_key, cause, enqueued_at, run_at, attempt, crashes, last_error)
select id, queue, priority, kind, arguments, idempotency_key, cause, enqueued_at, (extract(epoch from statement_timestamp()) * 1000000)::bigint, attempt, crashes, last_error
from loadstone_scheduled where id = any (array(select json_array_elements_text($1::json)::bigint)) order by run_at, id

-- name: remove_scheduled
-- dialect: sqlite
delete from loadstone_scheduled where id in (select value from json_each($1))
-- dialect: postgres
delete from loadstone_scheduled where id = any (array(select json_array_elements_text($1::json)::bigint))

-- name: next_due_in
-- Microseconds until the first scheduled job is due; no row: none is. Index: loadstone_scheduled_by_time.
-- dialect: sqlite
select run_at - cast((julianday('now') - 2440587.5) * 86400000000.0 as integer) as due_in from loadstone_scheduled order by run_at limit 1
-- dialect: postgres
select run_at - (extract(epoch from statement_timestamp()) * 1000000)::bigint as due_in from loadstone_scheduled order by run_at limit 1

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

-- name: paused_queues
-- dialect: sqlite
select name from loadstone_queues where is_paused = 1
-- dialect: postgres
select name from loadstone_queues where is_paused

-- name: set_paused
-- $1 queue, $2 whether it is paused.
-- dialect: sqlite
insert into loadstone_queues (name, is_paused) values ($1, $2)
on conflict (name) do update set is_paused = excluded.is_paused
-- dialect: postgres
insert into loadstone_queues (name, is_paused) values ($1, $2::integer <> 0)
on conflict (name) do update set is_paused = excluded.is_paused

-- name: oldest_due_age
-- Microseconds that the oldest runnable job has been due; no row: none. In a queue and priority it is the first.
-- Indexes: loadstone_ready_for_claim, entered once for each; loadstone_scheduled_by_time.
-- dialect: sqlite
with recursive lane (queue, priority, run_at) as (
    select * from (select queue, priority, run_at from loadstone_ready order by queue, priority, seq limit 1)
    union all
    select next.queue, next.priority, next.run_at from lane
    join loadstone_ready as next on next.seq = (
        select seq from loadstone_ready where (queue, priority) > (lane.queue, lane.priority)
        order by queue, priority, seq limit 1))
select cast((julianday('now') - 2440587.5) * 86400000000.0 as integer) - min(run_at) as age
from (select run_at from lane union all select min(run_at) from loadstone_scheduled where run_at <= cast((julianday('now') - 2440587.5) * 86400000000.0 as integer)) as due
having min(run_at) is not null
-- dialect: postgres
with recursive lane as (
    (select queue, priority, run_at from loadstone_ready order by queue, priority, seq limit 1)
    union all
    select next.queue, next.priority, next.run_at from lane
    cross join lateral (select queue, priority, run_at from loadstone_ready
                        where (queue, priority) > (lane.queue, lane.priority)
                        order by queue, priority, seq limit 1) as next)
select (extract(epoch from statement_timestamp()) * 1000000)::bigint - min(run_at) as age
from (select run_at from lane union all select min(run_at) from loadstone_scheduled where run_at <= (extract(epoch from statement_timestamp()) * 1000000)::bigint) as due
having min(run_at) is not null

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
