-- How a job lives: docs/internals/jobs.md.

-- name: insert_new
-- $1 queue, $2 partition, $3 priority, $4 kind, $5 arguments, $6 cause, $7 extra.
insert into loadstone_ready (queue, partition_key, priority, kind, arguments, cause, enqueued_at, run_at, extra)
values ($1, $2, $3, $4, $5, $6, {now}, {now}, $7)

-- name: insert_ready
-- As insert_new. Gives the job's id, which is where it first stands.
insert into loadstone_ready (queue, partition_key, priority, kind, arguments, cause, enqueued_at, run_at, extra)
values ($1, $2, $3, $4, $5, $6, {now}, {now}, $7)
returning seq

-- name: insert_all_ready
-- $4: arguments, a line each with a comma between. The time is read once; rows of a function come in their order. PostgreSQL takes the
-- lines as they are: reading them as JSON costs it more.
-- dialect: sqlite
insert into loadstone_ready (queue, priority, kind, arguments, cause, enqueued_at, run_at, extra)
select $1, $2, $3, value, $5, now.us, now.us, $6 from (select {now} as us) as now, json_each('[' || $4 || ']') order by key
-- dialect: postgres
insert into loadstone_ready (queue, priority, kind, arguments, cause, enqueued_at, run_at, extra)
select $1, $2, $3, arguments, $5, (select {now}), (select {now}), $6 from string_to_table($4, E',\n') as arguments

-- name: insert_all_keyed
-- As insert_all_ready; $7: a JSON array of their partitions.
-- dialect: sqlite
insert into loadstone_ready (queue, partition_key, priority, kind, arguments, cause, enqueued_at, run_at, extra)
select $1, k.value, $2, $3, a.value, $5, now.us, now.us, $6
from (select {now} as us) as now, json_each('[' || $4 || ']') as a join json_each($7) as k on k.key = a.key order by a.key
-- dialect: postgres
insert into loadstone_ready (queue, partition_key, priority, kind, arguments, cause, enqueued_at, run_at, extra)
select $1, partition, $2, $3, arguments, $5, (select {now}), (select {now}), $6
from rows from (string_to_table($4, E',\n'), json_array_elements_text($7::json)) as each (arguments, partition)

-- name: schedule_ready
-- What $1 has just inserted, for the later one of $2 microseconds from now and $6 since 1970. Index: loadstone_ready_for_claim, on
-- PostgreSQL the primary key.
insert into loadstone_scheduled (id, {columns})
select seq, queue, partition_key, priority, kind, arguments, idempotency_key, cause, enqueued_at,
       case when $6 > {now} + $2 then $6 else {now} + $2 end, attempt, crashes, last_error, extra
from loadstone_ready where queue = $3 and partition_key = $4 and priority = $5 and seq = $1

-- name: block_ready
-- What $1 has just inserted waits for $2 other jobs; $3: whether it runs though some of them failed.
insert into loadstone_blocked (id, queue, partition_key, priority, kind, arguments, cause, enqueued_at, extra, waits_for, total, runs_if_failed)
select seq, queue, partition_key, priority, kind, arguments, cause, enqueued_at, extra, $2, $2, $3
from loadstone_ready where queue = $4 and partition_key = $5 and priority = $6 and seq = $1

-- name: remove_new_ready
-- What this transaction has just inserted. Index: loadstone_ready_for_claim, on PostgreSQL the primary key.
delete from loadstone_ready where queue = $1 and partition_key = $2 and priority = $3 and seq = $4

-- name: expire_unique
-- $1 is free again if its time is over.
delete from loadstone_unique where unique_key = $1 and until > 0 and until <= {now}

-- name: take_unique
-- $1 key, $2 microseconds for which it is taken, or 0: until its job has ended. None if another job has it.
insert into loadstone_unique (unique_key, job, until) values ($1, 0, case when $2 = 0 then 0 else {now} + $2 end)
on conflict do nothing returning job

-- name: unique_is_of
-- Whose $1 is.
update loadstone_unique set job = $2 where unique_key = $1

-- name: unique_job
select job from loadstone_unique where unique_key = $1

-- name: unique_job_that_waits
-- As unique_job; it does not begin before this transaction ends (give_unique).
-- dialect: sqlite
select job from loadstone_unique where unique_key = $1
-- dialect: postgres
select job from loadstone_unique where unique_key = $1 for key share

-- name: queue_depth
-- How many jobs of a queue ($1) are ready, counted no further than $2.
select count(*) from (select 1 from loadstone_ready where queue = $1 limit $2) as waiting

-- name: declared_kinds
-- What programs have declared, and how long ago one has last said so.
select name, declaration, {now} - declared_at as age from loadstone_kinds order by name limit 10000

-- name: save_kinds
-- $1: a JSON array of {name, declaration}.
-- dialect: sqlite
insert into loadstone_kinds (name, declaration, declared_at)
select json_extract(value, '$.name'), json_extract(value, '$.declaration'), {now} from json_each($1) where true order by 1
on conflict (name) do update set declaration = excluded.declaration, declared_at = excluded.declared_at
-- dialect: postgres
insert into loadstone_kinds (name, declaration, declared_at)
select name, declaration, {now} from json_to_recordset($1::json) as new (name text, declaration text) order by name collate "C"
on conflict (name) do update set declaration = excluded.declaration, declared_at = excluded.declared_at

-- name: forget_kinds
-- Those of which no program has said anything for $1 microseconds.
delete from loadstone_kinds where declared_at < {now} - $1
