-- The clock in these statements is the database's (SQLite: this machine's, to about 40 us): leases
-- rest on it. Times are microseconds since 1970.

-- name: insert_job
-- $6: microseconds from now.
-- dialect: sqlite
insert into loadstone_jobs (kind, arguments, idempotency_key, cause, priority, enqueued_at, run_at)
values ($1, $2, $3, $4, $5, cast((julianday('now') - 2440587.5) * 86400000000.0 as integer), cast((julianday('now') - 2440587.5) * 86400000000.0 as integer) + $6)
returning id
-- dialect: postgres
insert into loadstone_jobs (kind, arguments, idempotency_key, cause, priority, enqueued_at, run_at)
values ($1, $2, $3, $4, $5, (extract(epoch from statement_timestamp()) * 1000000)::bigint, (extract(epoch from statement_timestamp()) * 1000000)::bigint + $6)
returning id

-- name: claim_jobs
-- Of the highest priority of which a job is due. Index: loadstone_jobs_for_claim, entered once for each
-- priority that waits and then at what is due: jobs that wait for a later time cost nothing, however many.
-- PostgreSQL: arrays and a limit where joins would do, so that no plan, generic or without statistics,
-- reads the table.
-- $1 process, $2 JSON array of the kinds known here, $3 how many.
-- dialect: sqlite
update loadstone_jobs set process = $1, fence = fence + 1, attempt = attempt + 1
where id in (
    with recursive level (priority) as (
        select max(priority) from loadstone_jobs where process is null
        union all
        select (select max(priority) from loadstone_jobs where process is null and priority < level.priority)
        from level where level.priority is not null)
    select id from loadstone_jobs
    where process is null and run_at <= cast((julianday('now') - 2440587.5) * 86400000000.0 as integer)
      and priority = (select level.priority from level
                      where exists (select 1 from loadstone_jobs as due
                                    where due.process is null and due.priority = level.priority
                                      and due.run_at <= cast((julianday('now') - 2440587.5) * 86400000000.0 as integer)
                                      and due.kind in (select value from json_each($2)))
                      order by level.priority desc limit 1)
      and exists (select 1 from loadstone_processes where id = $1)
      and kind in (select value from json_each($2))
    order by run_at, id limit $3)
returning id, fence, kind, idempotency_key, arguments, cause, attempt, crashes, enqueued_at
-- dialect: postgres
with recursive level as (
    (select priority from loadstone_jobs where process is null order by priority desc limit 1)
    union all
    select (select priority from loadstone_jobs where process is null and priority < level.priority
            order by priority desc limit 1)
    from level where level.priority is not null
), due as (
    select id from loadstone_jobs
    where process is null and run_at <= (extract(epoch from statement_timestamp()) * 1000000)::bigint
      and priority = (select level.priority from level
                      where level.priority is not null
                        and (select true from loadstone_jobs as job
                             where job.process is null and job.priority = level.priority
                               and job.run_at <= (extract(epoch from statement_timestamp()) * 1000000)::bigint
                               and job.kind = any (array(select json_array_elements_text($2::json)))
                             order by job.run_at limit 1)
                      order by level.priority desc limit 1)
      and exists (select 1 from loadstone_processes where id = $1)
      and kind = any (array(select json_array_elements_text($2::json)))
    order by run_at, id limit $3
    for update skip locked)
update loadstone_jobs j set process = $1, fence = j.fence + 1, attempt = j.attempt + 1
where j.id = any (array(select id from due))
returning j.id, j.fence, j.kind, j.idempotency_key, j.arguments, j.cause, j.attempt, j.crashes, j.enqueued_at

-- name: next_due_in
-- Microseconds until the first waiting job of a known kind ($1) is due; no row: none waits.
-- Index: loadstone_jobs_next_due.
-- dialect: sqlite
select run_at - cast((julianday('now') - 2440587.5) * 86400000000.0 as integer) as due_in from loadstone_jobs
where process is null and kind in (select value from json_each($1))
order by run_at limit 1
-- dialect: postgres
select run_at - (extract(epoch from statement_timestamp()) * 1000000)::bigint as due_in from loadstone_jobs
where process is null and kind = any (array(select json_array_elements_text($1::json)))
order by run_at limit 1

-- name: complete_job
delete from loadstone_jobs where id = $1 and process = $2 and fence = $3

-- name: complete_jobs
-- $1 process, $2 JSON array of {"job":..,"fence":..}.
-- dialect: sqlite
delete from loadstone_jobs
where process = $1
  and (id, fence) in (select json_extract(value, '$.job'), json_extract(value, '$.fence') from json_each($2))
-- dialect: postgres
delete from loadstone_jobs j
using json_to_recordset($2::json) as done (job bigint, fence bigint)
where j.process = $1 and j.id = done.job and j.fence = done.fence

-- name: put_back_job
-- A retry or a snooze. $4 microseconds from now, $5 attempts to take back (0 or 1), $6 error.
-- dialect: sqlite
update loadstone_jobs set process = null, run_at = cast((julianday('now') - 2440587.5) * 86400000000.0 as integer) + $4, attempt = attempt - $5, last_error = $6
where id = $1 and process = $2 and fence = $3
-- dialect: postgres
update loadstone_jobs set process = null, run_at = (extract(epoch from statement_timestamp()) * 1000000)::bigint + $4, attempt = attempt - $5, last_error = $6
where id = $1 and process = $2 and fence = $3

-- name: bury_job
-- The copy into the dead letters; complete_job follows in the same transaction. $4 error.
-- dialect: sqlite
insert into loadstone_dead_jobs
select id, kind, arguments, idempotency_key, cause, priority, enqueued_at, cast((julianday('now') - 2440587.5) * 86400000000.0 as integer), attempt, crashes, fence, $4
from loadstone_jobs where id = $1 and process = $2 and fence = $3
-- dialect: postgres
insert into loadstone_dead_jobs
select id, kind, arguments, idempotency_key, cause, priority, enqueued_at, (extract(epoch from statement_timestamp()) * 1000000)::bigint, attempt, crashes, fence, $4
from loadstone_jobs where id = $1 and process = $2 and fence = $3

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

-- name: bury_poison_jobs
-- Orphans that have taken down $1 - 1 processes before: this one makes $1.
-- dialect: sqlite
insert into loadstone_dead_jobs
select id, kind, arguments, idempotency_key, cause, priority, enqueued_at, cast((julianday('now') - 2440587.5) * 86400000000.0 as integer), attempt, crashes + 1, fence,
       'its process died ' || (crashes + 1) || ' times while it ran'
from loadstone_jobs
where process is not null and process not in (select id from loadstone_processes) and crashes + 1 >= $1
-- dialect: postgres
insert into loadstone_dead_jobs
select id, kind, arguments, idempotency_key, cause, priority, enqueued_at, (extract(epoch from statement_timestamp()) * 1000000)::bigint, attempt, crashes + 1, fence,
       'its process died ' || (crashes + 1) || ' times while it ran'
from loadstone_jobs
where process is not null and process not in (select id from loadstone_processes) and crashes + 1 >= $1

-- name: remove_poison_jobs
delete from loadstone_jobs
where process is not null and process not in (select id from loadstone_processes) and crashes + 1 >= $1

-- name: rescue_orphans
-- Jobs whose process is gone are due now; a crash counts apart from an attempt.
-- dialect: sqlite
update loadstone_jobs set process = null, run_at = cast((julianday('now') - 2440587.5) * 86400000000.0 as integer), attempt = attempt - 1, crashes = crashes + 1,
       last_error = 'its process died'
where process is not null and process not in (select id from loadstone_processes)
-- dialect: postgres
update loadstone_jobs set process = null, run_at = (extract(epoch from statement_timestamp()) * 1000000)::bigint, attempt = attempt - 1, crashes = crashes + 1,
       last_error = 'its process died'
where process is not null and process not in (select id from loadstone_processes)

-- name: hand_back_jobs
-- A graceful stop: neither an attempt nor a crash.
-- dialect: sqlite
update loadstone_jobs set process = null, run_at = cast((julianday('now') - 2440587.5) * 86400000000.0 as integer), attempt = attempt - 1 where process = $1
-- dialect: postgres
update loadstone_jobs set process = null, run_at = (extract(epoch from statement_timestamp()) * 1000000)::bigint, attempt = attempt - 1 where process = $1

-- name: hand_back_strays
-- What $1 has claimed without having been told: all but the jobs of which it knows ($2, a JSON array of ids).
-- dialect: sqlite
update loadstone_jobs set process = null, attempt = attempt - 1
where process = $1 and id not in (select value from json_each($2))
-- dialect: postgres
update loadstone_jobs set process = null, attempt = attempt - 1
where process = $1 and id <> all (array(select json_array_elements_text($2::json)::bigint))

-- name: remove_process
delete from loadstone_processes where id = $1

-- name: oldest_due_age
-- Microseconds that the oldest runnable job has been due; no row: none. Index: loadstone_jobs_next_due.
-- dialect: sqlite
select cast((julianday('now') - 2440587.5) * 86400000000.0 as integer) - run_at as age from loadstone_jobs where process is null and run_at <= cast((julianday('now') - 2440587.5) * 86400000000.0 as integer) order by run_at limit 1
-- dialect: postgres
select (extract(epoch from statement_timestamp()) * 1000000)::bigint - run_at as age from loadstone_jobs where process is null and run_at <= (extract(epoch from statement_timestamp()) * 1000000)::bigint order by run_at limit 1

-- name: jobs_before
-- Newest first, dead ones too. $1 state or '', $2 kind or '', $3 only smaller ids, $4 limit.
select id, kind, state, attempt, crashes, enqueued_at, run_at, last_error, cause, arguments, idempotency_key
from (select id, kind, case when process is null then 'waiting' else 'running' end as state, attempt, crashes,
             enqueued_at, run_at, last_error, cause, arguments, idempotency_key
      from loadstone_jobs
      union all
      select id, kind, 'dead' as state, attempt, crashes, enqueued_at, buried_at as run_at, last_error, cause,
             arguments, idempotency_key
      from loadstone_dead_jobs) as every_job
where ($1 = '' or state = $1) and ($2 = '' or kind = $2) and id < $3
order by id desc limit $4

-- name: job_by_id
select id, kind, state, attempt, crashes, enqueued_at, run_at, last_error, cause, arguments, idempotency_key
from (select id, kind, case when process is null then 'waiting' else 'running' end as state, attempt, crashes,
             enqueued_at, run_at, last_error, cause, arguments, idempotency_key
      from loadstone_jobs
      union all
      select id, kind, 'dead' as state, attempt, crashes, enqueued_at, buried_at as run_at, last_error, cause,
             arguments, idempotency_key
      from loadstone_dead_jobs) as every_job
where id = $1

-- name: make_due
-- dialect: sqlite
update loadstone_jobs set run_at = cast((julianday('now') - 2440587.5) * 86400000000.0 as integer) where id = $1 and process is null
-- dialect: postgres
update loadstone_jobs set run_at = (extract(epoch from statement_timestamp()) * 1000000)::bigint where id = $1 and process is null

-- name: revive_dead_job
-- The id and the idempotency key stay; the fence goes on rising.
-- dialect: sqlite
insert into loadstone_jobs (id, kind, arguments, idempotency_key, cause, priority, enqueued_at, run_at, fence, last_error)
select id, kind, arguments, idempotency_key, cause, priority, enqueued_at, cast((julianday('now') - 2440587.5) * 86400000000.0 as integer), fence, last_error
from loadstone_dead_jobs where id = $1
-- dialect: postgres
insert into loadstone_jobs (id, kind, arguments, idempotency_key, cause, priority, enqueued_at, run_at, fence, last_error)
overriding system value
select id, kind, arguments, idempotency_key, cause, priority, enqueued_at, (extract(epoch from statement_timestamp()) * 1000000)::bigint, fence, last_error
from loadstone_dead_jobs where id = $1

-- name: remove_dead_job
delete from loadstone_dead_jobs where id = $1
