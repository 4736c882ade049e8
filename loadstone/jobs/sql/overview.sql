-- What an operator looks at. It reads the tables; nothing that runs jobs waits for it.

-- name: busy_limits
-- Of each limit the $1 keys of which most run, or that were used last.
-- dialect: sqlite
select name, version, arrival_at, running, {now} as now, {lent} as lent
from (select s.*, row_number() over (partition by substr(name, 1, instr(name, ':')) order by running desc, arrival_at desc, name) as place
      from loadstone_limit_states as s where running > 0 or arrival_at > {now}) as s
where place <= $1 order by place, name limit 5000
-- dialect: postgres
select name, version, arrival_at, running, {now} as now, {lent} as lent
from (select s.*, row_number() over (partition by split_part(name, ':', 1) order by running desc, arrival_at desc, name) as place
      from (select name, version, arrival_at, running - {released} as running from loadstone_limit_states as s
            where running > 0 or arrival_at > {now}) as s
      where running > 0 or arrival_at > {now}) as s
where place <= $1 order by place, name limit 5000

-- name: job_keys
select partition_key, extra from {every_job} where id = $1

-- name: waits_for
-- The first $2 of those that a blocked job ($1) waits for.
-- dialect: sqlite
select id from {every_job}
where extra <> '' and exists (select 1 from json_each(extra, '$.next') as n where n.value = $1) order by id limit $2
-- dialect: postgres
select id from {every_job}
where exists (select 1 from json_array_elements_text(nullif(extra, '')::json -> 'next') as n (value) where n.value::bigint = $1)
order by id limit $2

-- name: running_jobs
-- Those that have run longest, $1 at most, of a queue ($2) and a kind ($3), or '' of all.
select running.id, running.queue, running.kind, running.attempt, coalesce(p.name, '') as process, {now} - running.claimed_at as runs_us,
       told.fraction, coalesce(told.note, '') as note
from {running}
left join loadstone_processes as p on p.id = running.process
left join loadstone_progress as told on told.job = running.id
where ($2 = '' or running.queue = $2) and ($3 = '' or running.kind = $3)
order by running.claimed_at, running.id limit $1
