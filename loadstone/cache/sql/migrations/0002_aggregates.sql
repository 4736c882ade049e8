-- What transactions keep (loadstone/cache/aggregate.h). A figure is what its shards give together; shard 0 is of who mends it, and on
-- SQLite of all. An aggregate that is not among the built ones is not to be read yet.
-- dialect: sqlite
create table loadstone_aggregates (
    aggregate text not null,
    key integer not null,
    shard integer not null,
    value integer not null,
    primary key (aggregate, key, shard)
) without rowid;
create table loadstone_aggregates_built (
    aggregate text primary key,
    built_at integer not null
) without rowid;
-- dialect: postgres
create table loadstone_aggregates (
    aggregate text collate "C" not null,
    key bigint not null,
    shard integer not null,
    value bigint not null,
    primary key (aggregate, key, shard)
) with (fillfactor = 70);
create table loadstone_aggregates_built (
    aggregate text collate "C" primary key,
    built_at bigint not null
);
