-- How a job lives: docs/internals/jobs.md. The clock in these statements is the database's (SQLite: this
-- machine's, to about 40 us): leases rest on it. Times are microseconds since 1970.

-- name: see_commits
-- The first statement of a transaction: each further one sees what was committed before it, and waits for locks instead of
-- failing. What moves jobs between tables rests on it. SQLite's writer sees nothing else.
-- dialect: sqlite
select 0 as unused where 0 = 1
-- dialect: postgres
set transaction isolation level read committed

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

-- name: paused_queues
-- dialect: sqlite
select name from loadstone_queues where is_paused = 1
-- dialect: postgres
select name from loadstone_queues where is_paused

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
