-- Computations of views that are made once for all nodes (loadstone/cache/fills.h), under way or ended. A row lives for minutes.
-- dialect: sqlite
create table loadstone_fills (
    id integer primary key,
    of_view text not null,
    key text not null,
    holder text not null,
    lease_ends integer not null,
    history text not null,
    state text not null,
    position text not null,
    tags text not null,
    answer text
);
-- dialect: postgres
create table loadstone_fills (
    id bigint primary key,
    of_view text not null,
    key text not null,
    holder text not null,
    lease_ends bigint not null,
    history text not null,
    state text not null,
    position text not null,
    tags text not null,
    answer text
);
