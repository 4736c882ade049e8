-- Who feeds a column store that several servers reach: `holder` until `until`, microseconds since 1970 by the database's clock. Each
-- beginning has an epoch of its own, above all before; a write of the feed's notes is of its epoch, or is not made (ADR 25).
-- dialect: sqlite
create table loadstone_fact_lease (
    id integer primary key check (id = 1),
    holder text not null,
    epoch integer not null,
    until integer not null
);
insert into loadstone_fact_lease (id, holder, epoch, until) values (1, '', 0, 0);
-- dialect: postgres
create table loadstone_fact_lease (
    id integer primary key check (id = 1),
    holder text not null,
    epoch bigint not null,
    until bigint not null
);
insert into loadstone_fact_lease (id, holder, epoch, until) values (1, '', 0, 0);
