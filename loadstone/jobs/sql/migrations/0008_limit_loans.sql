-- Places of a limit that a process has in advance. They count in the limit's `running` until its row here says otherwise.
-- dialect: sqlite
create table loadstone_limit_loans (
    process integer not null,
    name text not null,
    places integer not null,
    primary key (process, name)
) without rowid;
-- dialect: postgres
create table loadstone_limit_loans (
    process bigint not null,
    name text not null,
    places bigint not null,
    primary key (process, name)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);
