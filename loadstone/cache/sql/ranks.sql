-- Ranked sums. The value of a key is that of its row in loadstone_ranks and what is added in loadstone_rank_deltas, which SQLite does not
-- have. Its group is the row's, or what the deltas say if there is no row (docs/internals/aggregates.md).

-- fragment: changed
-- On PostgreSQL: the keys of $aggregate with deltas, and what their values are with them.
-- dialect: sqlite
select 1
-- dialect: postgres
select a.key, a.value + coalesce(r.value, 0) as value, case when r.key is null then a.of_group else r.of_group end as of_group
from (select key, min(of_group) as of_group, cast(sum(value) as bigint) as value from loadstone_rank_deltas
      where aggregate = $aggregate group by key) as a
left join lateral (select key, of_group, value from loadstone_ranks where aggregate = $aggregate and key = a.key limit 1) as r on true

-- name: add_to_ranks
-- $1: JSON [[aggregate, key, value, group], ..] in the order of aggregates and keys; $2 as of add_to_aggregates.
-- dialect: sqlite
insert into loadstone_ranks (aggregate, key, of_group, value)
select json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[3]'), json_extract(value, '$[2]')
from json_each($1) where $2 >= 0
on conflict (aggregate, key) do update set value = loadstone_ranks.value + excluded.value
-- dialect: postgres
insert into loadstone_rank_deltas (aggregate, key, shard, of_group, value)
select e->>0, (e->>1)::bigint, (pg_backend_pid() % $2::bigint)::integer, (e->>3)::bigint, (e->>2)::bigint
from json_array_elements($1::json) as changes (e) where true
on conflict (aggregate, key, shard) do update set value = loadstone_rank_deltas.value + excluded.value, of_group = excluded.of_group

-- name: mend_rank :exec (aggregate text, key int, of_group int?, value int)
-- A new version of the row in any case: whoever mends the key at the same time fails then, and does it again. Primary key.
insert into loadstone_ranks (aggregate, key, of_group, value) values ($aggregate, $key, $of_group, $value)
on conflict (aggregate, key) do update set value = loadstone_ranks.value + excluded.value, of_group = excluded.of_group

-- name: fold_ranks :one (rows_max int)
-- column: rows int
-- The first deltas that nobody writes just now become part of the ranks. Primary keys. Never run on SQLite.
-- dialect: sqlite
select $rows_max - $rows_max as rows
-- dialect: postgres
with found as (
    select aggregate, key, shard from loadstone_rank_deltas order by aggregate, key, shard limit $rows_max for update skip locked
), taken as (
    delete from loadstone_rank_deltas as d using found as f
    where d.aggregate = f.aggregate and d.key = f.key and d.shard = f.shard returning d.aggregate, d.key, d.of_group, d.value
), folded as (
    insert into loadstone_ranks (aggregate, key, of_group, value)
    select aggregate, key, min(of_group), cast(sum(value) as bigint) from taken group by aggregate, key order by aggregate, key
    on conflict (aggregate, key) do update set value = loadstone_ranks.value + excluded.value
)
select count(*) as rows from taken

-- name: ranks_from :many (aggregate text, first_key int, last_key int, keys_max int)
-- column: key int
-- column: value int
-- column: of_group int?
-- In the order of keys; also while it is not built. Primary keys, from `first_key` on.
-- dialect: sqlite
select key, value, of_group from loadstone_ranks
where aggregate = $aggregate and key >= $first_key and key <= $last_key order by key limit $keys_max
-- dialect: postgres
select coalesce(r.key, d.key) as key, coalesce(r.value, 0) + coalesce(d.value, 0) as value,
    case when r.key is null then d.of_group else r.of_group end as of_group
from (select key, of_group, value from loadstone_ranks
      where aggregate = $aggregate and key >= $first_key and key <= $last_key order by key limit $keys_max) as r
full join (select key, min(of_group) as of_group, cast(sum(value) as bigint) as value from loadstone_rank_deltas
           where aggregate = $aggregate and key >= $first_key and key <= $last_key group by key order by key limit $keys_max) as d
    on d.key = r.key
order by 1 limit $keys_max

-- name: top_ranks :many (aggregate text, at_most int)
-- column: key int?
-- column: value int
-- Nothing if it is not built; without a key if no value is above 0. Index: loadstone_ranks_for_top, as many
-- entries as are asked for; and for each key with deltas those, and its row by the primary key.
-- dialect: sqlite
select r.key, coalesce(r.value, 0) as value from loadstone_aggregates_built as b left join (
    select key, value from loadstone_ranks where aggregate = $aggregate and value > 0 order by value desc, key limit $at_most) as r
    on true
where b.aggregate = $aggregate order by r.value desc, r.key
-- dialect: postgres
with changed as materialized ({changed}), most as (
    select key, value from changed where value > 0
    union all (
    select r.key, r.value from loadstone_ranks as r
    where r.aggregate = $aggregate and r.value > 0 and r.key not in (select c.key from changed as c)
    order by r.value desc, r.key limit $at_most)
    order by value desc, key limit $at_most
)
select m.key, coalesce(m.value, 0) as value from loadstone_aggregates_built as b left join most as m on true
where b.aggregate = $aggregate order by m.value desc, m.key

-- name: top_ranks_of_group :many (aggregate text, of_group int, at_most int)
-- column: key int?
-- column: value int
-- Nothing if it is not built; without a key if no value is above 0. Index: loadstone_ranks_for_top_of_group, as many
-- entries as are asked for; and for each key with deltas those, and its row by the primary key.
-- dialect: sqlite
select r.key, coalesce(r.value, 0) as value from loadstone_aggregates_built as b left join (
    select key, value from loadstone_ranks where aggregate = $aggregate and of_group = $of_group and value > 0 order by value desc, key limit $at_most) as r
    on true
where b.aggregate = $aggregate order by r.value desc, r.key
-- dialect: postgres
with changed as materialized ({changed}), most as (
    select key, value from changed where value > 0 and of_group = $of_group
    union all (
    select r.key, r.value from loadstone_ranks as r
    where r.aggregate = $aggregate and r.of_group = $of_group and r.value > 0 and r.key not in (select c.key from changed as c)
    order by r.value desc, r.key limit $at_most)
    order by value desc, key limit $at_most
)
select m.key, coalesce(m.value, 0) as value from loadstone_aggregates_built as b left join most as m on true
where b.aggregate = $aggregate order by m.value desc, m.key

-- name: last_rank :maybe (aggregate text)
-- Primary key, its last entry.
select key from loadstone_ranks where aggregate = $aggregate order by key desc limit 1
