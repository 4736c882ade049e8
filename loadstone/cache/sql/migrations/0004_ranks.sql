-- Ranked sums (loadstone/cache/aggregate.h). On PostgreSQL transactions write deltas, by shards, which are folded into the ranks soon
-- after; why no index of the ranks is written by two transactions that add to one key: docs/internals/aggregates.md.
-- dialect: sqlite
create table loadstone_ranks (
    aggregate text not null,
    key integer not null,
    of_group integer,
    value integer not null,
    primary key (aggregate, key)
) without rowid;
create index loadstone_ranks_for_top on loadstone_ranks (aggregate, value desc, key) where value > 0;
create index loadstone_ranks_for_top_of_group on loadstone_ranks (aggregate, of_group, value desc, key)
    where value > 0 and of_group is not null;
-- dialect: postgres
create table loadstone_ranks (
    aggregate text collate "C" not null,
    key bigint not null,
    of_group bigint,
    value bigint not null,
    primary key (aggregate, key)
);
create index loadstone_ranks_for_top on loadstone_ranks (aggregate, value desc, key) where value > 0;
create index loadstone_ranks_for_top_of_group on loadstone_ranks (aggregate, of_group, value desc, key)
    where value > 0 and of_group is not null;
create table loadstone_rank_deltas (
    aggregate text collate "C" not null,
    key bigint not null,
    shard integer not null,
    of_group bigint,
    value bigint not null,
    primary key (aggregate, key, shard)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
