-- The result of each write made under an Idempotency-Key (store/idempotency.h). write_number counts
-- the writes of one request from 0; created_at is for pruning.
-- dialect: sqlite
create table loadstone_idempotency (
    scope_and_key text not null,
    write_number integer not null,
    fingerprint text not null,
    result text not null,
    created_at integer not null,
    primary key (scope_and_key, write_number)
) without rowid;
create index loadstone_idempotency_to_prune on loadstone_idempotency (created_at);
-- dialect: postgres
create table loadstone_idempotency (
    scope_and_key text not null,
    write_number integer not null,
    fingerprint text not null,
    result text not null,
    created_at bigint not null,
    primary key (scope_and_key, write_number)
);
create index loadstone_idempotency_to_prune on loadstone_idempotency (created_at);
