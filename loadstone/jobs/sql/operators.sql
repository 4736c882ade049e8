-- How a job lives: docs/internals/jobs.md.

-- name: lock_scheduled
-- Those of $1, a JSON array of ids, that are there: what another process has just made ready is not.
-- dialect: sqlite
select id from loadstone_scheduled where id {ids}
-- dialect: postgres
select id from loadstone_scheduled where id {ids} for update

-- name: set_paused
-- $1 queue, $2 whether it is paused.
-- dialect: sqlite
insert into loadstone_queues (name, is_paused) values ($1, $2)
on conflict (name) do update set is_paused = excluded.is_paused
-- dialect: postgres
insert into loadstone_queues (name, is_paused) values ($1, $2::integer <> 0)
on conflict (name) do update set is_paused = excluded.is_paused

-- name: jobs_before
-- Newest first, dead ones too. $1 state, 'ready', 'scheduled', 'retrying' or '', $2 kind or '', $3 queue or '', $4 tenant as it stands in a
-- partition or '', $5 partition or '', $6 only smaller ids, $7 limit, $8 text in their error or ''. For operators: it reads the tables.
-- dialect: sqlite
select {job_row}
from {every_job}
where ($1 = '' or state = $1 or place = $1 or ($1 = 'retrying' and state = 'waiting' and attempt > 0)) and ($2 = '' or kind = $2)
  and ($3 = '' or queue = $3) and ($4 = '' or partition_key = $4 or substr(partition_key, 1, length($4) + 1) = $4 || '|')
  and ($5 = '' or partition_key = $5) and id < $6 and ($8 = '' or instr(last_error, $8) > 0)
order by id desc limit $7
-- dialect: postgres
select {job_row}
from {every_job}
where ($1 = '' or state = $1 or place = $1 or ($1 = 'retrying' and state = 'waiting' and attempt > 0)) and ($2 = '' or kind = $2)
  and ($3 = '' or queue = $3) and ($4 = '' or partition_key = $4 or substr(partition_key, 1, length($4) + 1) = $4 || '|')
  and ($5 = '' or partition_key = $5) and id < $6 and ($8 = '' or position($8 in last_error) > 0)
order by id desc limit $7

-- name: jobs_by_id
-- Those of $1, a JSON array of ids, that there are. It reads what runs, and of the rest nothing but them.
select {job_row}
from (select coalesce(job, seq) as id, queue, kind, 'waiting' as state, attempt, crashes, enqueued_at, run_at, last_error, cause, arguments,
             idempotency_key, partition_key, 'ready' as place
      from loadstone_ready where {ready_of_ids}
      union all
      select id, queue, kind, 'waiting', attempt, crashes, enqueued_at, run_at, last_error, cause, arguments, idempotency_key, partition_key,
             'scheduled'
      from loadstone_scheduled where id {ids}
      union all
      select id, queue, kind, 'blocked', 0, 0, enqueued_at, enqueued_at, '', cause, arguments, '', partition_key, ''
      from loadstone_blocked where id {ids}
      union all
      select id, queue, kind, 'running', attempt, crashes, enqueued_at, run_at, last_error, cause, arguments, idempotency_key, partition_key, ''
      from {running} where id {ids}
      union all
      select id, queue, kind, 'dead', attempt, crashes, enqueued_at, buried_at, last_error, cause, arguments, idempotency_key, partition_key,
             ''
      from loadstone_dead_jobs where id {ids}) as some_jobs
order by id

-- name: lock_dead
-- Those of $1, a JSON array of ids, that are there.
-- dialect: sqlite
select id, extra from loadstone_dead_jobs where id {ids} order by id
-- dialect: postgres
select id, extra from loadstone_dead_jobs where id {ids} order by id for update

-- name: dead_by_id
select id, extra from loadstone_dead_jobs where id {ids} order by id

-- name: dead_to_ready
-- Of the dead ($1, a JSON array of ids), with their attempts and crashes at 0.
insert into loadstone_ready (job, {columns})
select id, queue, partition_key, priority, kind, arguments, idempotency_key, cause, enqueued_at, {now}, 0, 0, last_error, extra
from loadstone_dead_jobs where id {ids} order by id

-- name: remove_dead
delete from loadstone_dead_jobs where id {ids}

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
-- A job that waits ($1, a JSON array of its id), wherever it stands.
delete from loadstone_ready where {ready_of_ids}
returning coalesce(job, seq) as id, queue, partition_key, priority, kind, arguments, idempotency_key, cause, enqueued_at, run_at,
    attempt, crashes, last_error, extra

-- name: cancelled_waiting
-- Those of $1, a JSON array of ids, that wait: their runs ended before their process had heard of the cancellation.
select id from loadstone_scheduled where id {ids}
union all
select coalesce(job, seq) as id from loadstone_ready where {ready_of_ids}

-- name: cancel_scheduled
delete from loadstone_scheduled where id = $1
returning id, queue, partition_key, priority, kind, arguments, idempotency_key, cause, enqueued_at, run_at, attempt, crashes,
    last_error, extra

-- name: queue_stats
-- $1 queue or '', $2 kind or ''. For operators: it reads the tables.
select name, cast(sum(ready) as bigint) as ready, coalesce(max(age), 0) as oldest_us, cast(sum(scheduled) as bigint) as scheduled, cast(sum(blocked) as bigint) as blocked,
       cast(sum(running) as bigint) as running, cast(sum(retrying) as bigint) as retrying, cast(sum(dead) as bigint) as dead
from (select queue as name, count(*) as ready, {now} - min(run_at) as age, 0 as scheduled, 0 as blocked, 0 as running,
             count(*) filter (where attempt > 0) as retrying, 0 as dead from loadstone_ready
        where ($1 = '' or queue = $1) and ($2 = '' or kind = $2) group by queue
      union all select queue, 0, null, count(*), 0, 0, count(*) filter (where attempt > 0), 0 from loadstone_scheduled
        where ($1 = '' or queue = $1) and ($2 = '' or kind = $2) group by queue
      union all select queue, 0, null, 0, count(*), 0, 0, 0 from loadstone_blocked
        where ($1 = '' or queue = $1) and ($2 = '' or kind = $2) group by queue
      union all select queue, 0, null, 0, 0, count(*), 0, 0 from {running}
        where ($1 = '' or queue = $1) and ($2 = '' or kind = $2) group by queue
      union all select queue, 0, null, 0, 0, 0, 0, count(*) from loadstone_dead_jobs
        where ($1 = '' or queue = $1) and ($2 = '' or kind = $2) group by queue
      union all select name, 0, null, 0, 0, 0, 0, 0 from loadstone_queues where ($1 = '' or name = $1) and $2 = '') as part
group by name order by name

-- name: ready_place
-- Where a ready job ($1, a JSON array of its id) stands.
select queue, partition_key, priority, seq, kind, crashes from loadstone_ready where {ready_of_ids}

-- name: ready_before
-- Of the ready jobs of a queue ($1) those that are claimed before the one of priority $2 at $3 in partition $4: of higher priority, how
-- many of them have limits, and of its priority in its partition; then the partitions of its priority, and of how many tenants they are.
-- Suspects are claimed apart. For operators: it reads what is ready of the queue. Index: loadstone_ready_for_claim.
-- dialect: sqlite
select count(*) filter (where priority > $2 and not suspect) as higher,
       count(*) filter (where priority > $2 and not suspect and instr(partition_key, '|') > 0) as limited,
       count(*) filter (where priority = $2 and partition_key = $4 and seq < $3) as ahead,
       count(distinct case when priority = $2 and not suspect then partition_key end) as partitions,
       count(distinct case when priority = $2 and not suspect then substr(partition_key, 1, instr(partition_key || '|', '|') - 1) end) as tenants
from (select priority, partition_key, seq, instr(partition_key, '|loadstone.suspect:') > 0 as suspect
      from loadstone_ready where queue = $1 and priority >= $2) as ready
-- dialect: postgres
select count(*) filter (where priority > $2 and not suspect) as higher,
       count(*) filter (where priority > $2 and not suspect and position('|' in partition_key) > 0) as limited,
       count(*) filter (where priority = $2 and partition_key = $4 and seq < $3) as ahead,
       count(distinct case when priority = $2 and not suspect then partition_key end) as partitions,
       count(distinct case when priority = $2 and not suspect then split_part(partition_key, '|', 1) end) as tenants
from (select priority, partition_key, seq, position('|loadstone.suspect:' in partition_key) > 0 as suspect
      from loadstone_ready where queue = $1 and priority >= $2) as ready

-- name: limit_state
-- For operators, of a limit ($1) as it was last changed.
select name, version, arrival_at, running - {released} as running, {now} as now, {lent} as lent from loadstone_limit_states as s
where name = $1 order by version desc limit 1

-- name: runs_in
-- The process in which a job ($1) runs, and since when.
select coalesce(p.name, '') as name, running.claimed_at
from {running}
left join loadstone_processes p on p.id = running.process
where running.id = $1

-- name: running_of
-- How many jobs run, in all, of a queue ($2), and of those ($1, a JSON array) of its module.
select count(*) as jobs, count(*) filter (where queue = $2) as of_queue, count(*) filter (where queue {names}) as of_module from {running}

-- name: kind_is_declared
select name from loadstone_kinds where name = $1

-- name: unique_holder
-- The job that has a key ($1).
select job from loadstone_unique where unique_key = $1

-- name: known_queue
-- $1, where it was paused or a job is of it.
select cast($1 as text) as name where exists (select 1 from loadstone_queues where name = $1) or exists (select 1 from loadstone_ready where queue = $1)
  or exists (select 1 from loadstone_scheduled where queue = $1) or exists (select 1 from loadstone_blocked where queue = $1)
  or exists (select 1 from loadstone_dead_jobs where queue = $1)

-- name: blocked_by
-- For how many others a job ($1) waits.
select waits_for from loadstone_blocked where id = $1

-- name: progress
select fraction, note, reported_at from loadstone_progress where job = $1

-- name: process_names
-- Of those that run jobs, and not only enqueue them.
select name from loadstone_processes order by name

-- name: live_processes
-- Those that run jobs, and not only enqueue them.
select count(*) from loadstone_processes

-- name: cancel_blocked
delete from loadstone_blocked where id = $1
returning id, queue, partition_key, priority, kind, arguments, '' as idempotency_key, cause, enqueued_at, enqueued_at as run_at, 0 as attempt,
    0 as crashes, '' as last_error, extra

-- name: extra_of_job
-- For operators: it reads the tables.
select extra from {every_job} where id = $1

-- name: cancel_workflow_blocked
-- Of the workflow whose last job is $1, and whose others have $2 in their extra: $3 at most. For operators: it reads the table.
-- dialect: sqlite
delete from loadstone_blocked where id in (select id from loadstone_blocked where id = $1 or instr(extra, $2) > 0 limit $3)
returning id, queue, partition_key, priority, kind, arguments, '' as idempotency_key, cause, enqueued_at, enqueued_at as run_at, 0 as attempt,
    0 as crashes, '' as last_error, extra
-- dialect: postgres
delete from loadstone_blocked where id in (select id from loadstone_blocked where id = $1 or position($2 in extra) > 0 limit $3)
returning id, queue, partition_key, priority, kind, arguments, '' as idempotency_key, cause, enqueued_at, enqueued_at as run_at, 0 as attempt,
    0 as crashes, '' as last_error, extra

-- name: cancel_workflow_scheduled
-- As cancel_workflow_blocked.
-- dialect: sqlite
delete from loadstone_scheduled where id in (select id from loadstone_scheduled where id = $1 or instr(extra, $2) > 0 limit $3)
returning id, queue, partition_key, priority, kind, arguments, idempotency_key, cause, enqueued_at, run_at,
    attempt, crashes, last_error, extra
-- dialect: postgres
delete from loadstone_scheduled where id in (select id from loadstone_scheduled where id = $1 or position($2 in extra) > 0 limit $3)
returning id, queue, partition_key, priority, kind, arguments, idempotency_key, cause, enqueued_at, run_at,
    attempt, crashes, last_error, extra

-- name: cancel_workflow_ready
-- As cancel_workflow_blocked.
-- dialect: sqlite
delete from loadstone_ready where seq in (select seq from loadstone_ready where job = $1 or (job is null and seq = $1) or instr(extra, $2) > 0 limit $3)
returning coalesce(job, seq) as id, queue, partition_key, priority, kind, arguments, idempotency_key, cause, enqueued_at, run_at,
    attempt, crashes, last_error, extra
-- dialect: postgres
delete from loadstone_ready where seq in (select seq from loadstone_ready where job = $1 or (job is null and seq = $1) or position($2 in extra) > 0 limit $3)
returning coalesce(job, seq) as id, queue, partition_key, priority, kind, arguments, idempotency_key, cause, enqueued_at, run_at,
    attempt, crashes, last_error, extra

-- name: ask_cancel_workflow
-- As cancel_workflow_blocked, those that run.
-- dialect: sqlite
insert into loadstone_cancels (job, asked_at) select id, {now} from {running} where id = $1 or instr(extra, $2) > 0 on conflict (job) do nothing
-- dialect: postgres
insert into loadstone_cancels (job, asked_at) select id, {now} from {running} where id = $1 or position($2 in extra) > 0 on conflict (job) do nothing
