-- How a job lives: docs/internals/jobs.md. The state of a limit is its row of the highest version: a change is a new row, so
-- that the newest entry of the index is the one that is alive, whatever an old snapshot keeps behind it.

-- name: add_limits
-- Those in $1, a JSON array of names, that are new.
-- dialect: sqlite
insert into loadstone_limits (name, version, arrival_at, running)
select value, 0, 0, 0 from json_each($1) as new where not exists (select 1 from loadstone_limits as l where l.name = new.value)
on conflict do nothing
-- dialect: postgres
insert into loadstone_limits (name, version, arrival_at, running)
select name, 0, 0, 0 from json_array_elements_text($1::json) as new (name)
where not exists (select 1 from loadstone_limits as l where l.name = new.name)
on conflict do nothing

-- name: lock_limits
-- The states of $1, a JSON array of names in order. A row that another has just replaced is missing: ask again. An older one
-- must not stand for it: two who add the same limit may leave one of version 0 behind, which the next change removes.
-- dialect: sqlite
select name, version, arrival_at, running, {now} as now from loadstone_limits where name in (select value from json_each($1)) order by name
-- dialect: postgres
select l.name, l.version, l.arrival_at, l.running, {now} as now
from json_array_elements_text($1::json) with ordinality as wanted (name, place)
cross join lateral (
    select * from loadstone_limits as state
    where state.name = wanted.name
      and state.version = (select newest.version from loadstone_limits as newest where newest.name = wanted.name
                           order by newest.version desc limit 1)
    for update) as l
order by wanted.place

-- name: change_limits
-- $1: a JSON array of the new states.
-- dialect: sqlite
insert into loadstone_limits (name, version, arrival_at, running)
select json_extract(value, '$.name'), 0, json_extract(value, '$.arrival_at'), json_extract(value, '$.running') from json_each($1) where true
on conflict (name, version) do update set arrival_at = excluded.arrival_at, running = excluded.running
-- dialect: postgres
with state as (select * from json_to_recordset($1::json) as s (name text, version bigint, arrival_at bigint, running bigint)),
     old as (delete from loadstone_limits as l using state where l.name = state.name and l.version <= state.version)
insert into loadstone_limits (name, version, arrival_at, running)
select name, version + 1, arrival_at, running from state

-- name: limit_settings
-- What operators have set instead of what the code says.
select name, running_max, per_second, burst, weight from loadstone_limit_settings order by name limit 10000

-- name: set_limit
-- $1 name of a limit, or 'tenant:' and a tenant; $2 running_max, $3 per_second, $4 burst, $5 weight; below 0: as in the code.
insert into loadstone_limit_settings (name, running_max, per_second, burst, weight) values ($1, $2, $3, $4, $5)
on conflict (name) do update set running_max = excluded.running_max, per_second = excluded.per_second, burst = excluded.burst,
    weight = excluded.weight

-- name: unset_limit
delete from loadstone_limit_settings where name = $1

-- name: prune_limits
-- Those that say nothing any more: nothing of them runs, and they were last used $1 microseconds ago.
delete from loadstone_limits where running = 0 and arrival_at < {now} - $1
