-- dialect: sqlite
alter table loadstone_ready add column partition_key text not null default '';
alter table loadstone_ready add column extra text not null default '';
drop index loadstone_ready_for_claim;
alter table loadstone_done add column is_settled integer not null default 0;
create index loadstone_ready_for_claim on loadstone_ready (queue, partition_key, priority, seq);
create index loadstone_ready_keyed on loadstone_ready (seq) where partition_key <> '';
alter table loadstone_scheduled add column partition_key text not null default '';
alter table loadstone_scheduled add column extra text not null default '';
alter table loadstone_dead_jobs add column partition_key text not null default '';
alter table loadstone_dead_jobs add column extra text not null default '';
create table loadstone_limits (
    name text primary key
) without rowid;
create table loadstone_limit_states (
    name text not null,
    version integer not null,
    arrival_at integer not null,
    running integer not null,
    primary key (name, version)
) without rowid;
create table loadstone_limit_settings (
    name text primary key,
    running_max integer not null,
    per_second real not null,
    burst integer not null,
    weight real not null
) without rowid;
create table loadstone_unique (
    unique_key text primary key,
    job integer not null,
    until integer not null
) without rowid;
create index loadstone_unique_by_time on loadstone_unique (until) where until > 0;
create table loadstone_blocked (
    id integer primary key,
    queue text not null,
    partition_key text not null,
    priority integer not null,
    kind text not null,
    arguments text not null,
    cause text not null,
    enqueued_at integer not null,
    extra text not null,
    waits_for integer not null,
    total integer not null,
    failed integer not null default 0,
    runs_if_failed integer not null
);
create table loadstone_results (
    job integer not null,
    name text not null,
    value text not null,
    primary key (job, name)
) without rowid;
create table loadstone_steps (
    job integer not null,
    name text not null,
    value text not null,
    primary key (job, name)
) without rowid;
create table loadstone_progress (
    job integer primary key,
    fraction real not null,
    note text not null,
    reported_at integer not null
);
create table loadstone_cancels (
    job integer primary key,
    asked_at integer not null
);
create table loadstone_schedules (
    name text primary key,
    fired_at integer not null
) without rowid;
create table loadstone_kinds (
    name text primary key,
    declaration text not null
) without rowid;
-- dialect: postgres
lock table loadstone_processes, loadstone_batches, loadstone_done, loadstone_ready, loadstone_scheduled, loadstone_dead_jobs
    in access exclusive mode;
alter table loadstone_ready add column partition_key text not null default '';
alter table loadstone_ready add column extra text not null default '';
alter table loadstone_done add column is_settled integer not null default 0;
alter table loadstone_ready drop constraint loadstone_ready_pkey;
alter table loadstone_ready add primary key (queue, partition_key, priority, seq);
create index loadstone_ready_keyed on loadstone_ready (seq) where partition_key <> '';
alter table loadstone_scheduled add column partition_key text not null default '';
alter table loadstone_scheduled add column extra text not null default '';
alter table loadstone_dead_jobs add column partition_key text not null default '';
alter table loadstone_dead_jobs add column extra text not null default '';
create table loadstone_limits (
    name text primary key
);
create table loadstone_limit_states (
    name text not null,
    version bigint not null,
    arrival_at bigint not null,
    running bigint not null,
    primary key (name, version)
) with (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);
create table loadstone_limit_settings (
    name text primary key,
    running_max bigint not null,
    per_second double precision not null,
    burst bigint not null,
    weight double precision not null
);
create table loadstone_unique (
    unique_key text primary key,
    job bigint not null,
    until bigint not null
) with (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);
create index loadstone_unique_by_time on loadstone_unique (until) where until > 0;
create table loadstone_blocked (
    id bigint primary key,
    queue text not null,
    partition_key text not null,
    priority integer not null,
    kind text not null,
    arguments text not null,
    cause text not null,
    enqueued_at bigint not null,
    extra text not null,
    waits_for bigint not null,
    total bigint not null,
    failed bigint not null default 0,
    runs_if_failed integer not null
) with (fillfactor = 70);
create table loadstone_results (
    job bigint not null,
    name text not null,
    value text not null,
    primary key (job, name)
);
create table loadstone_steps (
    job bigint not null,
    name text not null,
    value text not null,
    primary key (job, name)
);
create table loadstone_progress (
    job bigint primary key,
    fraction double precision not null,
    note text not null,
    reported_at bigint not null
) with (fillfactor = 50);
create table loadstone_cancels (
    job bigint primary key,
    asked_at bigint not null
);
create table loadstone_schedules (
    name text primary key,
    fired_at bigint not null
);
create table loadstone_kinds (
    name text primary key,
    declaration text not null
);
