-- Facts on their way to the column store (feed.h), and the forms that they are written in. `xid` is the transaction's: facts go
-- when all transactions before theirs have ended. loadstone_fact_feed has one row: which store they go to, and how far it has got.
-- dialect: sqlite
create table loadstone_facts (
    seq integer primary key autoincrement,
    form integer not null,
    body blob not null
);
create table loadstone_fact_forms (
    id integer primary key,
    fact text not null,
    members text not null
);
create table loadstone_fact_feed (
    id integer primary key check (id = 1),
    store text not null,
    low integer not null,
    high integer not null,
    seq integer not null,
    as_of integer not null
);
-- dialect: postgres
create table loadstone_facts (
    seq bigint generated always as identity primary key,
    xid bigint not null default (pg_current_xact_id()::text::bigint),
    form bigint not null,
    body bytea not null
);
create table loadstone_fact_forms (
    id bigint primary key,
    fact text not null,
    members text not null
);
create table loadstone_fact_feed (
    id integer primary key check (id = 1),
    store text not null,
    low bigint not null,
    high bigint not null,
    seq bigint not null,
    as_of bigint not null
);
