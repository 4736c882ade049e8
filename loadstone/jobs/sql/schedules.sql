-- Recurring jobs (cron).

-- name: add_schedule
-- A schedule that is new begins now.
insert into loadstone_schedules (name, fired_at) values ($1, {now}) on conflict (name) do nothing

-- name: lock_schedule
-- When it last fired; nobody else fires it before this transaction ends. None: somebody is firing it.
-- dialect: sqlite
select fired_at, {now} as now from loadstone_schedules where name = $1
-- dialect: postgres
select fired_at, {now} as now from loadstone_schedules where name = $1 for update skip locked

-- name: schedule_fired
update loadstone_schedules set fired_at = $2 where name = $1

-- name: schedules
select name, fired_at, {now} as now from loadstone_schedules order by name limit 1000
