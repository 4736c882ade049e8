-- dialect: sqlite
create table ledger_entries (
    id integer primary key,
    order_id integer not null,
    cents integer not null
);
-- dialect: postgres
create table ledger_entries (
    id bigint generated always as identity primary key,
    order_id bigint not null,
    cents bigint not null
);
