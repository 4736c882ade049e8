-- How a job lives: docs/internals/jobs.md.

-- name: register_process
insert into loadstone_processes (name, started_at, heartbeat_at) values ($1, {now}, {now}) returning id

-- name: renew_heartbeat
update loadstone_processes set heartbeat_at = {now} where id = $1

-- name: repair_heartbeats
-- Those of more than $1 microseconds in the future, when the clock was ahead, count as of now.
-- dialect: sqlite
update loadstone_processes set heartbeat_at = {now} where heartbeat_at > {now} + $1
-- dialect: postgres
update loadstone_processes set heartbeat_at = {now}
where id in (select id from loadstone_processes where heartbeat_at > {now} + $1 for update skip locked)

-- name: remove_dead_processes
-- $1: microseconds after which a process without a heartbeat is dead. One that is frozen within its heartbeat has its row
-- locked: it holds up the rescue of no other.
-- dialect: sqlite
delete from loadstone_processes where heartbeat_at < {now} - $1
-- dialect: postgres
delete from loadstone_processes
where id in (select id from loadstone_processes where heartbeat_at < {now} - $1 for update skip locked)

-- name: orphaned_batches
-- Those of one process that is gone: the first, by its id. Index: loadstone_batches_by_process.
-- dialect: sqlite
select id, jobs from loadstone_batches
where process = (select min(process) from loadstone_batches where process not in (select id from loadstone_processes)) order by id
-- dialect: postgres
select id, jobs from loadstone_batches
where process = (select min(process) from loadstone_batches where process not in (select id from loadstone_processes))
order by id for update skip locked

-- name: batches_of
-- All of process $2 but those in $1, a JSON array of ids. Index: loadstone_batches_by_process.
-- dialect: sqlite
select id, jobs from loadstone_batches where process = $2 and id not in (select value from json_each($1)) order by id
-- dialect: postgres
select id, jobs from loadstone_batches where process = $2 and id <> all (array(select json_array_elements_text($1::json)::bigint))
order by id for update

-- name: done_of
-- Jobs of the batches in $1 that have ended.
select batch, job, is_settled, coalesce(result, '') as result from loadstone_done where batch {ids}

-- name: with_steps
-- Those of the jobs in $1 that have saved steps or told their progress.
select job from loadstone_steps where job {ids} union select job from loadstone_progress where job {ids}

-- name: remove_process
delete from loadstone_processes where id = $1

-- name: bound_lock_waits
-- This transaction waits no longer than that for another one, and fails as one that conflicts. SQLite has one writer.
-- dialect: sqlite
delete from loadstone_processes where 0 = 1
-- dialect: postgres
set local lock_timeout = '250ms'
