-- Recurring jobs (cron).

-- name: add_schedule
-- A schedule that is new begins now, and so does one whose expression ($2) is another: what has been missed of it is none of the
-- new one's.
insert into loadstone_schedules (name, fired_at, expression) values ($1, {now}, $2)
on conflict (name) do update set
    fired_at = case when loadstone_schedules.expression = '' then loadstone_schedules.fired_at else excluded.fired_at end,
    expression = excluded.expression
where loadstone_schedules.expression <> excluded.expression

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
