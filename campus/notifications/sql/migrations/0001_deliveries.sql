-- dialect: sqlite
create table deliveries (
    idempotency_key text primary key,
    recipient text not null,
    subject text not null,
    state text not null,
    code integer not null,
    detail text not null,
    recorded_at integer not null
) without rowid;
create index deliveries_by_state on deliveries (state, recorded_at desc);
-- dialect: postgres
create table deliveries (
    idempotency_key text primary key,
    recipient text not null,
    subject text not null,
    state text not null,
    code bigint not null,
    detail text not null,
    recorded_at bigint not null
);
create index deliveries_by_state on deliveries (state, recorded_at desc);
