-- How a job lives: docs/internals/jobs.md. A limit is locked by its row in loadstone_limits, which never changes; its state is the
-- row of the highest version in loadstone_limit_states: a change is a new row, so that the newest entry of the index is the
-- one that is alive, whatever an old snapshot keeps behind it. What is given back on PostgreSQL is rows of their own, without the
-- lock: whoever holds it next takes them into the state. All of transactions before released_before have been taken: what
-- an old snapshot keeps of them is not walked over. SQLite has one writer, and changes the state in place. What is lent to processes
-- (loadstone_limit_loans) is in `running`, and changes under the lock; of a process that is gone it is released as the rest.

-- name: add_limits
-- Those of $1, a JSON array of names in order.
-- dialect: sqlite
insert into loadstone_limits (name) select value from json_each($1) where true order by value on conflict do nothing
-- dialect: postgres
insert into loadstone_limits (name) select name from json_array_elements_text($1::json) as new (name) order by name collate "C" on conflict do nothing

-- name: lock_limits
-- Those of $1, a JSON array of names, that are there: one after the other in the order of their names, and until this
-- transaction ends.
-- dialect: sqlite
select name from loadstone_limits where name {names} order by name
-- dialect: postgres
select name from loadstone_limits where name {names} order by name collate "C" for update

-- name: limit_states
-- Of $1, a JSON array of names whose locks are held; of a new one all is 0. What was given back since is `released`: it is
-- in `running` yet, and no longer waits, so such a state is to be written.
-- dialect: sqlite
select wanted.value as name, coalesce(s.version, 0) as version, coalesce(s.arrival_at, 0) as arrival_at, coalesce(s.running, 0) as running,
       {now} as now, 0 as released_before, 0 as released
from json_each($1) as wanted
left join loadstone_limit_states as s on s.name = wanted.value
    and s.version = (select newest.version from loadstone_limit_states as newest where newest.name = wanted.value
                     order by newest.version desc limit 1)
-- dialect: postgres
with wanted as materialized (
    select wanted.name, coalesce(s.version, 0) as version, coalesce(s.arrival_at, 0) as arrival_at, coalesce(s.running, 0) as running,
           coalesce(s.released_before, 0) as released_before
    from json_array_elements_text($1::json) as wanted (name)
    left join lateral (select * from loadstone_limit_states as state where state.name = wanted.name order by state.version desc limit 1) as s
        on true),
     taken as (delete from loadstone_limit_releases as r using wanted where r.name = wanted.name and r.xid >= wanted.released_before
               returning r.name, r.places),
     released as (select name, sum(places)::bigint as places from taken group by name)
select wanted.name, wanted.version, wanted.arrival_at, wanted.running, {now} as now,
       pg_snapshot_xmin(pg_current_snapshot())::text::bigint as released_before, coalesce(released.places, 0) as released
from wanted left join released on released.name = wanted.name

-- name: release_limits
-- $1: a JSON array of {"name":..,"places":..} that are free again. Gives what ran before, as far as this shows.
-- dialect: sqlite
update loadstone_limit_states set running = max(0, running - new.places)
from (select json_extract(value, '$.name') as name, json_extract(value, '$.places') as places from json_each($1)) as new
where loadstone_limit_states.name = new.name
returning {ran_before}
-- dialect: postgres
with new as materialized (select name, places from json_to_recordset($1::json) as new (name text, places bigint)),
     added as (insert into loadstone_limit_releases (name, places) select name, places from new)
select {ran_before}

-- name: release_held
-- As release_limits, of what jobs of batches ($3, a JSON array of ids) hold, each with its `batch`: of those that process $2 still
-- holds, which nobody takes before this transaction ends. A name may be there for several.
-- dialect: sqlite
update loadstone_limit_states set running = max(0, running - new.places)
from (select json_extract(value, '$.name') as name, sum(json_extract(value, '$.places')) as places from json_each($1)
      where json_extract(value, '$.batch') in (select id from loadstone_batches where process = $2 and id in (select value from json_each($3)))
      group by json_extract(value, '$.name')) as new
where loadstone_limit_states.name = new.name
returning {ran_before}
-- dialect: postgres
with held as materialized (
    select id from loadstone_batches where process = $2 and id = any (array(select json_array_elements_text($3::json)::bigint))
    order by id for no key update),
     new as materialized (
    select name, places from json_to_recordset($1::json) as p (batch bigint, name text, places bigint)
    where batch = any (array(select id from held))),
     added as (insert into loadstone_limit_releases (name, places) select name, places from new)
select {ran_before}

-- name: change_limits
-- $1: a JSON array of the new states, each behind the version that it replaces.
-- dialect: sqlite
insert into loadstone_limit_states (name, version, arrival_at, running)
select json_extract(value, '$.name'), 0, json_extract(value, '$.arrival_at'), json_extract(value, '$.running') from json_each($1) where true
on conflict (name, version) do update set arrival_at = excluded.arrival_at, running = excluded.running
-- dialect: postgres
with state as (select * from json_to_recordset($1::json) as s (name text, version bigint, arrival_at bigint, running bigint, released_before bigint)),
     old as (delete from loadstone_limit_states as l using state where l.name = state.name and l.version = state.version)
insert into loadstone_limit_states (name, version, arrival_at, running, released_before)
select name, version + 1, arrival_at, running, released_before from state

-- name: loans_of
-- What process $2 has been lent of those in $1, a JSON array of names whose locks are held. Locked: who finds the process dead
-- takes none of it before this transaction ends.
-- dialect: sqlite
select name, places from loadstone_limit_loans where process = $2 and name {names}
-- dialect: postgres
select name, places from loadstone_limit_loans where process = $2 and name {names} for update

-- name: change_loans
-- What process $2 has been lent from now on: $1, a JSON array of {"name":..,"places":..}, whose locks are held.
-- dialect: sqlite
insert into loadstone_limit_loans (process, name, places)
select $2, json_extract(value, '$.name'), json_extract(value, '$.places') from json_each($1) where true
on conflict (process, name) do update set places = excluded.places
-- dialect: postgres
insert into loadstone_limit_loans (process, name, places)
select $2, name, places from json_to_recordset($1::json) as new (name text, places bigint)
on conflict (process, name) do update set places = excluded.places

-- name: remove_loans
-- Of process $2 those in $1, a JSON array of names whose locks are held.
delete from loadstone_limit_loans where process = $2 and name {names}

-- name: release_lost_loans
-- Places that processes were lent that are gone are free again: as release_limits, and once, for the loans go with it. On SQLite
-- remove_lost_loans follows.
-- dialect: sqlite
update loadstone_limit_states set running = max(0, running - lost.places)
from (select name, sum(places) as places from loadstone_limit_loans where process not in (select id from loadstone_processes)
      group by name) as lost
where loadstone_limit_states.name = lost.name
returning name, running + (select sum(l.places) from loadstone_limit_loans as l
                           where l.name = loadstone_limit_states.name and l.process not in (select id from loadstone_processes)) as running
-- dialect: postgres
with lost as (
    delete from loadstone_limit_loans
    where (process, name) in (select process, name from loadstone_limit_loans
                              where process not in (select id from loadstone_processes) for update skip locked)
    returning name, places),
     new as materialized (select name, sum(places)::bigint as places from lost group by name),
     added as (insert into loadstone_limit_releases (name, places) select name, places from new)
select {ran_before}

-- name: remove_lost_loans
-- On SQLite, once they are released.
-- dialect: sqlite
delete from loadstone_limit_loans where process not in (select id from loadstone_processes)
-- dialect: postgres
delete from loadstone_limit_loans where 0 = 1

-- name: limit_settings
-- What operators have set instead of what the code says.
select name, running_max, per_second, burst, weight from loadstone_limit_settings order by name limit 10000

-- name: set_limit
-- $1 name of a limit, or 'tenant:' and a tenant; $2 running_max, $3 per_second, $4 burst, $5 weight; below 0: as in the code.
insert into loadstone_limit_settings (name, running_max, per_second, burst, weight) values ($1, $2, $3, $4, $5)
on conflict (name) do update set running_max = excluded.running_max, per_second = excluded.per_second, burst = excluded.burst,
    weight = excluded.weight

-- name: change_limit
-- As set_limit; what is below 0 stays as it has been set.
insert into loadstone_limit_settings (name, running_max, per_second, burst, weight) values ($1, $2, $3, $4, $5)
on conflict (name) do update set
    running_max = case when excluded.running_max < 0 then loadstone_limit_settings.running_max else excluded.running_max end,
    per_second = case when excluded.per_second < 0 then loadstone_limit_settings.per_second else excluded.per_second end,
    burst = case when excluded.burst < 0 then loadstone_limit_settings.burst else excluded.burst end,
    weight = case when excluded.weight < 0 then loadstone_limit_settings.weight else excluded.weight end

-- name: unset_limit
delete from loadstone_limit_settings where name = $1

-- name: idle_limits
-- Those of which nothing runs, and that were last used $1 microseconds ago; $2 at most.
-- dialect: sqlite
select name from loadstone_limit_states where running = 0 and arrival_at < {now} - $1 limit $2
-- dialect: postgres
select name from loadstone_limit_states as s where running = {released} and arrival_at < {now} - $1 limit $2

-- name: remove_limit_states
-- Of $1, whose locks are held, those of which nothing runs.
-- dialect: sqlite
delete from loadstone_limit_states where name {names} and running = 0
-- dialect: postgres
with idle as (delete from loadstone_limit_states as s where name {names} and running = {released} returning name)
delete from loadstone_limit_releases where name in (select name from idle)

-- name: remove_limits
-- Of $1, those without a state.
delete from loadstone_limits
where name {names} and not exists (select 1 from loadstone_limit_states as s where s.name = loadstone_limits.name)
