-- How a job lives: docs/internals/jobs.md.

-- name: claim_lane
-- Takes the next $6 jobs of kinds in $5 of one queue ($1), partition ($2) and priority ($3), behind $4: entries that are dead
-- and yet visible to some old snapshot lie before it. In no order. Index: loadstone_ready_for_claim, on PostgreSQL the primary
-- key; what it finds is removed where it stands, without an index. Nothing for a process ($7) that has been declared dead.
-- SQLite has one writer: it reads them, and remove_claimed follows. (With RETURNING it would keep each page as it was, and
-- each row, aside: 1.5 times the CPU.)
-- dialect: sqlite
select coalesce(job, seq) as id, {columns}, seq from loadstone_ready
where queue = $1 and partition_key = $2 and priority = $3 and seq > $4 and kind in (select value from json_each($5))
  and exists (select 1 from loadstone_processes where id = $7)
  and not exists (select 1 from loadstone_queues where name = $1 and is_paused = 1)
order by seq limit $6
-- dialect: postgres
delete from loadstone_ready where ctid = any (array(
    select ctid from loadstone_ready
    where queue = $1 and partition_key = $2 and priority = $3 and seq > $4 and kind = any (array(select json_array_elements_text($5::json)))
      and exists (select 1 from loadstone_processes where id = $7)
      and not exists (select 1 from loadstone_queues where name = $1 and is_paused)
    order by seq limit $6 for update skip locked))
returning coalesce(job, seq) as id, {columns}, seq

-- name: remove_claimed
-- On SQLite what claim_lane has just read of a queue ($1), partition ($2) and priority ($3), behind $4, of kinds in $5, up to $6.
-- dialect: sqlite
delete from loadstone_ready
where queue = $1 and partition_key = $2 and priority = $3 and seq > $4 and kind in (select value from json_each($5)) and seq <= $6
-- dialect: postgres
delete from loadstone_ready where queue = $1 and partition_key = $2 and priority = $3 and seq > $4 and kind = $5 and seq <= $6 and 0 = 1

-- name: claim_lanes
-- As claim_lane, of several partitions of a queue ($1): $2, a JSON array of {"partition_key":..,"priority":..,"cursor":..,
-- "count":..}; $3 kinds, $4 process. SQLite asks for each.
-- dialect: sqlite
delete from loadstone_ready where queue = $1 and extra = $2 and kind = $3 and seq = $4 and 0 = 1
returning coalesce(job, seq) as id, {columns}, seq
-- dialect: postgres
delete from loadstone_ready where ctid = any (array(
    select found.place
    from rows from (json_to_recordset($2::json) as (partition_key text, priority integer, cursor bigint, count bigint))
         as w (partition_key, priority, after, count)
    cross join lateral (
        select ready.ctid as place from loadstone_ready as ready
        where ready.queue = $1 and ready.partition_key = w.partition_key and ready.priority = w.priority and ready.seq > w.after
          and ready.kind = any (array(select json_array_elements_text($3::json)))
        order by ready.seq limit w.count for update skip locked) as found
    where exists (select 1 from loadstone_processes where id = $4)
      and not exists (select 1 from loadstone_queues where name = $1 and is_paused)))
returning coalesce(job, seq) as id, {columns}, seq

-- name: queue_is_open
-- Whether a queue ($1) is not paused and a process ($2) has not been declared dead.
-- dialect: sqlite
select id from loadstone_processes where id = $2 and not exists (select 1 from loadstone_queues where name = $1 and is_paused = 1)
-- dialect: postgres
select id from loadstone_processes where id = $2 and not exists (select 1 from loadstone_queues where name = $1 and is_paused)

-- name: insert_batch
-- $1 process, $2 JSON array of its jobs.
insert into loadstone_batches (process, claimed_at, jobs) values ($1, {now}, $2) returning id, claimed_at

-- name: lanes
-- The next 5,000 behind a queue ($1), partition ($2) and priority ($3): each of which a job is ready, with the first one's
-- place. Index: loadstone_ready_for_claim, entered once for each.
-- dialect: sqlite
with recursive lane (queue, partition_key, priority, seq) as (
    values ($1, $2, $3, 0)
    union all
    select next.queue, next.partition_key, next.priority, next.seq from lane
    join loadstone_ready as next on next.seq = {next_lane})
select queue, partition_key, priority, seq from lane where seq > 0 limit 5000
-- dialect: postgres
with recursive lane as (
    (select queue, partition_key, priority, seq from loadstone_ready where (queue, partition_key, priority) > ($1, $2, $3)
     order by queue, partition_key, priority, seq limit 1)
    union all
    select next.queue, next.partition_key, next.priority, next.seq from lane
    cross join lateral (select queue, partition_key, priority, seq from loadstone_ready
                        where (queue, partition_key, priority) > (lane.queue, lane.partition_key, lane.priority)
                        order by queue, partition_key, priority, seq limit 1) as next)
select queue, partition_key, priority, seq from lane limit 5000

-- name: new_lanes
-- Those with a partition in which the next 5,000 jobs behind $1 stand. Index: loadstone_ready_keyed.
select queue, partition_key, priority, min(seq) as seq, max(seq) as last, count(*) as jobs
from (select queue, partition_key, priority, seq from loadstone_ready where partition_key <> '' and seq > $1 order by seq limit 5000) as next
group by queue, partition_key, priority

-- name: first_ready_behind
-- Of one queue ($1) and priority ($2), behind $3, of the kinds in $4.
-- dialect: sqlite
select seq from loadstone_ready where queue = $1 and partition_key = '' and priority = $2 and seq > $3 and kind in (select value from json_each($4)) order by seq limit 1
-- dialect: postgres
select seq from loadstone_ready where queue = $1 and partition_key = '' and priority = $2 and seq > $3 and kind = any (array(select json_array_elements_text($4::json))) order by seq limit 1

-- name: last_ready
-- Every seq up to it has been given out. SQLite has one writer: what it shows is all there is.
-- dialect: sqlite
select coalesce((select seq from sqlite_sequence where name = 'loadstone_ready'), 0) as last
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
select id from loadstone_scheduled where run_at <= {now} order by run_at limit $1
-- dialect: postgres
select id from loadstone_scheduled where run_at <= {now} order by run_at limit $1 for update skip locked

-- name: ready_scheduled
-- Scheduled jobs ($1, a JSON array of ids) are ready now.
insert into loadstone_ready (job, {columns})
select id, queue, partition_key, priority, kind, arguments, idempotency_key, cause, enqueued_at, {now}, attempt, crashes, last_error, extra
from loadstone_scheduled where id {ids} order by run_at, id

-- name: remove_scheduled
delete from loadstone_scheduled where id {ids}

-- name: next_due_in
-- Microseconds until the first scheduled job is due; no row: none is. Index: loadstone_scheduled_by_time.
select run_at - {now} as due_in from loadstone_scheduled order by run_at limit 1

-- name: paused_queues
-- dialect: sqlite
select name from loadstone_queues where is_paused = 1
-- dialect: postgres
select name from loadstone_queues where is_paused

-- name: oldest_due_ages
-- Microseconds that the oldest runnable job of each queue has been due. In a lane it is the first; of more than 5,000 lanes the
-- others are not looked at. On PostgreSQL lanes with a partition are looked at only of a queue of which none of the first 1,000 jobs of
-- such lanes is: places are given out in the order of time. Indexes: loadstone_ready_for_claim, on PostgreSQL the primary key, entered
-- once for each lane; loadstone_ready_keyed; loadstone_scheduled_by_time.
-- dialect: sqlite
with recursive lane (queue, partition_key, priority, run_at) as (
    select * from (select queue, partition_key, priority, run_at from loadstone_ready order by queue, partition_key, priority, seq limit 1)
    union all
    select next.queue, next.partition_key, next.priority, next.run_at from lane
    join loadstone_ready as next on next.seq = {next_lane}
    limit 5000)
select queue, {now} - min(run_at) as age
from (select queue, run_at from lane union all
      select queue, min(run_at) from loadstone_scheduled where run_at <= {now} group by queue) as due
group by queue order by queue limit 1000
-- dialect: postgres
with recursive first as (
    (select queue, partition_key, priority, run_at from loadstone_ready order by queue, partition_key, priority, seq limit 1)
    union all
    select next.queue, next.partition_key, next.priority, next.run_at from first
    cross join lateral (
        (select queue, partition_key, priority, run_at from loadstone_ready
         where first.partition_key = '' and (queue, partition_key, priority) > (first.queue, '', first.priority)
         order by queue, partition_key, priority, seq limit 1)
        union all
        (select queue, partition_key, priority, run_at from loadstone_ready
         where first.partition_key <> '' and queue > first.queue
         order by queue, partition_key, priority, seq limit 1)) as next),
     oldest as materialized (select queue, run_at from loadstone_ready where partition_key <> '' order by seq limit 1000),
     lane as (
    select queue, partition_key, priority, run_at from first where partition_key <> '' and queue not in (select queue from oldest)
    union all
    select next.queue, next.partition_key, next.priority, next.run_at from lane
    cross join lateral (select queue, partition_key, priority, run_at from loadstone_ready
                        where queue = lane.queue and (partition_key, priority) > (lane.partition_key, lane.priority)
                        order by partition_key, priority, seq limit 1) as next)
select queue, {now} - min(run_at) as age
from (select queue, run_at from first where partition_key = '' union all
      select queue, min(run_at) from oldest group by queue union all
      (select queue, run_at from lane limit 5000) union all
      select queue, min(run_at) from loadstone_scheduled where run_at <= {now} group by queue) as due
group by queue order by queue limit 1000
