-- dialect: sqlite
create table loadstone_processes (
    id integer primary key autoincrement,
    name text not null,
    started_at integer not null,
    heartbeat_at integer not null
);
create table loadstone_jobs (
    id integer primary key autoincrement,
    kind text not null,
    arguments text not null,
    idempotency_key text not null,
    cause text not null,
    priority integer not null,
    enqueued_at integer not null,
    run_at integer not null,
    attempt integer not null default 0,
    crashes integer not null default 0,
    fence integer not null default 0,
    process integer,
    last_error text not null default ''
);
create index loadstone_jobs_for_claim on loadstone_jobs (priority desc, run_at, id) where process is null;
create index loadstone_jobs_next_due on loadstone_jobs (run_at) where process is null;
create index loadstone_jobs_by_process on loadstone_jobs (process) where process is not null;
create table loadstone_dead_jobs (
    id integer primary key,
    kind text not null,
    arguments text not null,
    idempotency_key text not null,
    cause text not null,
    priority integer not null,
    enqueued_at integer not null,
    buried_at integer not null,
    attempt integer not null,
    crashes integer not null,
    fence integer not null,
    last_error text not null
);
-- dialect: postgres
create table loadstone_processes (
    id bigint generated always as identity primary key,
    name text not null,
    started_at bigint not null,
    heartbeat_at bigint not null
);
create table loadstone_jobs (
    id bigint generated always as identity primary key,
    kind text not null,
    arguments text not null,
    idempotency_key text not null,
    cause text not null,
    priority bigint not null,
    enqueued_at bigint not null,
    run_at bigint not null,
    attempt bigint not null default 0,
    crashes bigint not null default 0,
    fence bigint not null default 0,
    process bigint,
    last_error text not null default ''
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);
create index loadstone_jobs_for_claim on loadstone_jobs (priority desc, run_at, id) where process is null;
create index loadstone_jobs_next_due on loadstone_jobs (run_at) where process is null;
create index loadstone_jobs_by_process on loadstone_jobs (process) where process is not null;
create table loadstone_dead_jobs (
    id bigint primary key,
    kind text not null,
    arguments text not null,
    idempotency_key text not null,
    cause text not null,
    priority bigint not null,
    enqueued_at bigint not null,
    buried_at bigint not null,
    attempt bigint not null,
    crashes bigint not null,
    fence bigint not null,
    last_error text not null
);
