-- What the end of a job means for others: docs/internals/jobs.md.

-- name: release_unique
-- Keys that are taken until their jobs have ended: $1, a JSON array of {"unique_key":..,"job":..}.
-- dialect: sqlite
delete from loadstone_unique where until = 0 and (unique_key, job) in (
    select json_extract(value, '$.unique_key'), json_extract(value, '$.job') from json_each($1))
-- dialect: postgres
delete from loadstone_unique using json_to_recordset($1::json) as k (unique_key text, job bigint)
where loadstone_unique.unique_key = k.unique_key and loadstone_unique.job = k.job and until = 0

-- name: give_unique
-- A job ($2) whose key ($1) is taken until it begins does. It waits for transactions that have got its id for their own.
delete from loadstone_unique where unique_key = $1 and job = $2 and until = 0

-- name: jobs_blocked
-- Those of $1, a JSON array of ids, in order; nobody else changes them before this transaction ends.
-- dialect: sqlite
select id, queue, partition_key, priority, kind, arguments, '' as idempotency_key, cause, enqueued_at, 0 as run_at, 0 as attempt,
       0 as crashes, '' as last_error, extra, waits_for, failed, total, runs_if_failed
from loadstone_blocked where id {ids} order by id
-- dialect: postgres
select id, queue, partition_key, priority, kind, arguments, '' as idempotency_key, cause, enqueued_at, 0::bigint as run_at, 0 as attempt,
       0 as crashes, '' as last_error, extra, waits_for, failed, total, runs_if_failed
from loadstone_blocked where id {ids} order by id for update

-- name: change_blocked
-- $1: a JSON array of {"id":..,"waits_for":..,"failed":..}.
-- dialect: sqlite
update loadstone_blocked set waits_for = json_extract(n.value, '$.waits_for'), failed = json_extract(n.value, '$.failed')
from json_each($1) as n where loadstone_blocked.id = json_extract(n.value, '$.id')
-- dialect: postgres
update loadstone_blocked as b set waits_for = n.waits_for, failed = n.failed
from json_to_recordset($1::json) as n (id bigint, waits_for bigint, failed bigint) where b.id = n.id

-- name: remove_blocked
delete from loadstone_blocked where id {ids}

-- name: save_results
-- $1: a JSON array of {"job":..,"name":..,"value":..}.
-- dialect: sqlite
insert into loadstone_results (job, name, value)
select json_extract(r.value, '$.job'), json_extract(r.value, '$.name'), json_extract(r.value, '$.value') from json_each($1) as r where true
on conflict (job, name) do update set value = excluded.value
-- dialect: postgres
insert into loadstone_results (job, name, value)
select job, name, value from json_to_recordset($1::json) as r (job bigint, name text, value text)
on conflict (job, name) do update set value = excluded.value

-- name: result
-- Of the one named $2 that job $1 came after.
select value from loadstone_results where job = $1 and name = $2

-- name: remove_results
delete from loadstone_results where job {ids}

-- name: save_step
insert into loadstone_steps (job, name, value) values ($1, $2, $3)
on conflict (job, name) do update set value = excluded.value

-- name: step
select value from loadstone_steps where job = $1 and name = $2

-- name: remove_steps
delete from loadstone_steps where job {ids}

-- name: save_progress
-- $1: a JSON array of {"job":..,"batch":..,"fraction":..,"note":..}; of jobs that have not ended, nor end meanwhile.
-- dialect: sqlite
insert into loadstone_progress (job, fraction, note, reported_at)
select json_extract(p.value, '$.job'), json_extract(p.value, '$.fraction'), json_extract(p.value, '$.note'), {now}
from json_each($1) as p join loadstone_batches as b on b.id = json_extract(p.value, '$.batch')
where not exists (select 1 from loadstone_done as d where d.batch = b.id and d.job = json_extract(p.value, '$.job'))
on conflict (job) do update set fraction = excluded.fraction, note = excluded.note, reported_at = excluded.reported_at
-- dialect: postgres
with told as materialized (
    select * from json_to_recordset($1::json) as p (job bigint, batch bigint, fraction double precision, note text)),
     held as materialized (
    select id from loadstone_batches where id = any (array(select batch from told)) order by id for share)
insert into loadstone_progress (job, fraction, note, reported_at)
select p.job, p.fraction, p.note, {now}
from told as p join held as b on b.id = p.batch
where not exists (select 1 from loadstone_done as d where d.batch = p.batch and d.job = p.job)
on conflict (job) do update set fraction = excluded.fraction, note = excluded.note, reported_at = excluded.reported_at

-- name: remove_progress
delete from loadstone_progress where job {ids}

-- name: ask_cancel
insert into loadstone_cancels (job, asked_at) values ($1, {now}) on conflict (job) do nothing

-- name: cancels
-- Which running jobs operators want stopped.
select job from loadstone_cancels order by asked_at limit 1000

-- name: remove_cancels
delete from loadstone_cancels where job {ids}

-- name: prune_unique
delete from loadstone_unique where until > 0 and until <= {now}

-- name: old_cancels
-- 1,000 at most.
select job from loadstone_cancels where asked_at < {now} - 3600000000 order by asked_at limit 1000

-- name: prune_dead
-- Dead letters that are older than $1 microseconds, $2 at most.
delete from loadstone_dead_jobs where id in (select id from loadstone_dead_jobs where buried_at < {now} - $1 order by id limit $2)
