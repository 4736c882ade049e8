-- What several statements have in common. The clock is the database's (SQLite: this machine's, to about 40 us): leases rest
-- on it. Times are microseconds since 1970.

-- fragment: now
-- dialect: sqlite
cast((julianday('now') - 2440587.5) * 86400000000.0 as integer)
-- dialect: postgres
(date_part('epoch', statement_timestamp()) * 1000000)::bigint

-- fragment: ids
-- Of $1, a JSON array of numbers: id in (..) by an index.
-- dialect: sqlite
in (select value from json_each($1))
-- dialect: postgres
= any (array(select json_array_elements_text($1::json)::bigint))

-- fragment: names
-- Of $1, a JSON array of texts.
-- dialect: sqlite
in (select value from json_each($1))
-- dialect: postgres
= any (array(select json_array_elements_text($1::json)))

-- fragment: released
-- Places of a limit whose state is s that were given back and not yet taken into it (limits.sql).
-- dialect: sqlite
0
-- dialect: postgres
(select coalesce(sum(r.places), 0)::bigint from loadstone_limit_releases as r where r.name = s.name and r.xid >= s.released_before)

-- fragment: lent
-- Places of a limit whose state is s that processes have been lent.
-- dialect: sqlite
(select coalesce(sum(l.places), 0) from loadstone_limit_loans as l where l.name = s.name)
-- dialect: postgres
(select coalesce(sum(l.places), 0)::bigint from loadstone_limit_loans as l where l.name = s.name)

-- fragment: ran_before
-- Of limits of which places ($1 as release_limits has it, on PostgreSQL as the rows of `new`) are given back: how many ran before.
-- dialect: sqlite
name, running + (select coalesce(sum(json_extract(value, '$.places')), 0) from json_each($1)
                 where json_extract(value, '$.name') = loadstone_limit_states.name) as running
-- dialect: postgres
new.name, s.running - {released} as running
from new cross join lateral (select * from loadstone_limit_states as state where state.name = new.name order by state.version desc limit 1) as s

-- fragment: jobs
-- Of $1, a JSON array of jobs (StoredJob of internal/records.h).
-- dialect: sqlite
(select key as place, json_extract(value, '$.id') as id, json_extract(value, '$.queue') as queue,
        json_extract(value, '$.partition_key') as partition_key, json_extract(value, '$.priority') as priority,
        json_extract(value, '$.kind') as kind, json_extract(value, '$.arguments') as arguments,
        json_extract(value, '$.idempotency_key') as idempotency_key, json_extract(value, '$.cause') as cause,
        json_extract(value, '$.enqueued_at') as enqueued_at, json_extract(value, '$.run_at') as run_at,
        json_extract(value, '$.attempt') as attempt, json_extract(value, '$.crashes') as crashes,
        json_extract(value, '$.last_error') as last_error, json_extract(value, '$.extra') as extra
 from json_each($1)) as j
-- dialect: postgres
rows from (json_to_recordset($1::json) as (id bigint, queue text, partition_key text, priority integer, kind text, arguments text,
    idempotency_key text, cause text, enqueued_at bigint, run_at bigint, attempt integer, crashes integer, last_error text, extra text))
    with ordinality as j (id, queue, partition_key, priority, kind, arguments, idempotency_key, cause, enqueued_at, run_at, attempt,
    crashes, last_error, extra, place)

-- fragment: running
-- The jobs that run: those of batches that have not ended. A batch leaves out what is empty or 0.
-- dialect: sqlite
(select b.id as batch, b.process, b.claimed_at, json_extract(j.value, '$.id') as id, json_extract(j.value, '$.queue') as queue,
        json_extract(j.value, '$.kind') as kind, json_extract(j.value, '$.arguments') as arguments,
        coalesce(json_extract(j.value, '$.idempotency_key'), '') as idempotency_key,
        coalesce(json_extract(j.value, '$.cause'), '') as cause, coalesce(json_extract(j.value, '$.enqueued_at'), 0) as enqueued_at,
        coalesce(json_extract(j.value, '$.run_at'), 0) as run_at,
        coalesce(json_extract(j.value, '$.attempt'), 0) as attempt, coalesce(json_extract(j.value, '$.crashes'), 0) as crashes,
        coalesce(json_extract(j.value, '$.last_error'), '') as last_error,
        coalesce(json_extract(j.value, '$.partition_key'), '') as partition_key, coalesce(json_extract(j.value, '$.extra'), '') as extra
 from loadstone_batches b, json_each(b.jobs) j
 where not exists (select 1 from loadstone_done d where d.batch = b.id and d.job = json_extract(j.value, '$.id'))) as running
-- dialect: postgres
(select b.id as batch, b.process, b.claimed_at, j.id, j.queue, j.kind, j.arguments, coalesce(j.idempotency_key, '') as idempotency_key,
        coalesce(j.cause, '') as cause, coalesce(j.enqueued_at, 0) as enqueued_at, coalesce(j.run_at, 0) as run_at,
        coalesce(j.attempt, 0) as attempt, coalesce(j.crashes, 0) as crashes,
        coalesce(j.last_error, '') as last_error, coalesce(j.partition_key, '') as partition_key, coalesce(j.extra, '') as extra
 from loadstone_batches b
 cross join lateral json_to_recordset(b.jobs::json) as j (id bigint, queue text, kind text, arguments text, idempotency_key text,
     cause text, enqueued_at bigint, run_at bigint, attempt integer, crashes integer, last_error text, partition_key text, extra text)
 where not exists (select 1 from loadstone_done d where d.batch = b.id and d.job = j.id)) as running

-- fragment: columns
queue, partition_key, priority, kind, arguments, idempotency_key, cause, enqueued_at, run_at, attempt, crashes, last_error, extra

-- fragment: ready_of_ids
-- Of $1, a JSON array of ids, those that are ready. Indexes: the primary key, of a job that was put back loadstone_ready_put_back. On
-- PostgreSQL a place is found in each lane without a partition, of which there are few, or by loadstone_ready_keyed.
-- dialect: sqlite
seq in (select seq from loadstone_ready where seq {ids} and job is null
        union all select seq from loadstone_ready where job {ids})
-- dialect: postgres
ctid = any (array(
    with recursive lane as (
        (select queue, partition_key, priority from loadstone_ready order by queue, partition_key, priority limit 1)
        union all
        select next.queue, next.partition_key, next.priority from lane
        cross join lateral (
            (select queue, partition_key, priority from loadstone_ready
             where lane.partition_key = '' and (queue, partition_key, priority) > (lane.queue, '', lane.priority)
             order by queue, partition_key, priority limit 1)
            union all
            (select queue, partition_key, priority from loadstone_ready
             where lane.partition_key <> '' and queue > lane.queue
             order by queue, partition_key, priority limit 1)) as next)
    select plain.at from lane
    cross join lateral (select ctid as at from loadstone_ready
                        where queue = lane.queue and partition_key = '' and priority = lane.priority and seq {ids} and job is null) as plain
    where lane.partition_key = ''
    union all select ctid from loadstone_ready where partition_key <> '' and seq {ids} and job is null
    union all select ctid from loadstone_ready where job {ids}))

-- fragment: every_job
-- All jobs, whatever their state. `place` tells apart those that wait.
(select coalesce(job, seq) as id, queue, kind, 'waiting' as state, attempt, crashes, enqueued_at, run_at, last_error, cause, arguments,
        idempotency_key, partition_key, extra, 'ready' as place
 from loadstone_ready
 union all
 select id, queue, kind, 'waiting', attempt, crashes, enqueued_at, run_at, last_error, cause, arguments, idempotency_key, partition_key,
        extra, 'scheduled'
 from loadstone_scheduled
 union all
 select id, queue, kind, 'blocked', 0, 0, enqueued_at, enqueued_at, '', cause, arguments, '', partition_key, extra, ''
 from loadstone_blocked
 union all
 select id, queue, kind, 'running', attempt, crashes, enqueued_at, run_at, last_error, cause, arguments, idempotency_key, partition_key,
        extra, ''
 from {running}
 union all
 select id, queue, kind, 'dead', attempt, crashes, enqueued_at, buried_at, last_error, cause, arguments, idempotency_key, partition_key,
        extra, ''
 from loadstone_dead_jobs) as every_job

-- fragment: job_row
-- What operators see of one (JobRow of admin.h).
id, queue, kind, state, place, attempt, crashes, enqueued_at, run_at, last_error, cause, arguments, partition_key,
case when idempotency_key = '' then id || '-' || enqueued_at else idempotency_key end as idempotency_key

-- fragment: next_lane
-- On SQLite: where the first job of the lane behind `lane` stands. Step by step, for there a comparison of rows with those of
-- a recursive query uses the first column of an index alone.
coalesce(
    (select seq from loadstone_ready where queue = lane.queue and partition_key = lane.partition_key and priority > lane.priority
     order by priority, seq limit 1),
    (select seq from loadstone_ready where queue = lane.queue and partition_key > lane.partition_key
     order by partition_key, priority, seq limit 1),
    (select seq from loadstone_ready where queue > lane.queue order by queue, partition_key, priority, seq limit 1))
