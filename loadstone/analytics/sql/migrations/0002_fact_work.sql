-- What operators ask of the feed, a row for each fact table: `kind` rebuild or verify, `state` waiting, running, done or failed. Keys
-- below `next_key` are done. loadstone_fact_days: what verify found, by days since 1970: facts and the sum of their hashes.
-- dialect: sqlite
create table loadstone_fact_work (
    fact text primary key,
    kind text not null,
    run integer not null,
    state text not null,
    next_key integer not null,
    last_key integer not null,
    facts integer not null,
    reason text not null,
    changed_at integer not null
) without rowid;
create table loadstone_fact_days (
    fact text not null,
    day integer not null,
    told integer not null,
    told_sum integer not null,
    stored integer not null,
    stored_sum integer not null,
    primary key (fact, day)
) without rowid;
-- dialect: postgres
create table loadstone_fact_work (
    fact text primary key,
    kind text not null,
    run bigint not null,
    state text not null,
    next_key bigint not null,
    last_key bigint not null,
    facts bigint not null,
    reason text not null,
    changed_at bigint not null
);
create table loadstone_fact_days (
    fact text not null,
    day bigint not null,
    told bigint not null,
    told_sum bigint not null,
    stored bigint not null,
    stored_sum bigint not null,
    primary key (fact, day)
);
