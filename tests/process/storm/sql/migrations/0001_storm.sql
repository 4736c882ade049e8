-- No row is unique but by its number: what is doubled is to be seen, not refused.
-- dialect: sqlite
create table storm_expected (
    number integer primary key autoincrement,
    request text not null,
    kind text not null,
    failures integer not null,
    key text not null,
    job integer  -- of a unique kind: its own, or that of another
);
create table storm_effects (
    id integer primary key autoincrement,
    number integer not null,
    job integer not null,
    process integer not null,
    batch integer not null,
    attempt integer not null
);
-- dialect: postgres
create table storm_expected (
    number bigint generated always as identity primary key,
    request text not null,
    kind text not null,
    failures bigint not null,
    key text not null,
    job bigint
);
create table storm_effects (
    id bigint generated always as identity primary key,
    number bigint not null,
    job bigint not null,
    process bigint not null,
    batch bigint not null,
    attempt bigint not null
);
