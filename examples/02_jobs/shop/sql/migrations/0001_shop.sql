-- dialect: sqlite
create table orders (
    id integer primary key,
    organisation text not null,
    customer text not null,
    item text not null,
    cents integer not null,
    is_invoiced integer not null default 0
);
create index orders_by_organisation on orders (organisation);
create table payments (
    id integer primary key,
    account text not null,
    number integer not null
);
create table prices (
    list text not null,
    item integer not null,
    cents integer not null,
    primary key (list, item)
) without rowid;
create table tally (
    name text primary key,
    count integer not null
) without rowid;
-- dialect: postgres
create table orders (
    id bigint generated always as identity primary key,
    organisation text not null,
    customer text not null,
    item text not null,
    cents bigint not null,
    is_invoiced integer not null default 0
);
create index orders_by_organisation on orders (organisation);
create table payments (
    id bigint generated always as identity primary key,
    account text not null,
    number bigint not null
);
create table prices (
    list text not null,
    item bigint not null,
    cents bigint not null,
    primary key (list, item)
);
create table tally (
    name text primary key,
    count bigint not null
);
