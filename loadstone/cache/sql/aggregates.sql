-- Of the three that write, $1: JSON [[aggregate, key, value], ..] in the order of aggregates and keys, so that two transactions that
-- meet in more than one do so in one order; $2: how many shards, 0 for the one of who mends. A transaction writes the shard of
-- its connection: others write others, and do not wait for it, nor fail after it. Each always makes a new version of its
-- rows: who recomputes the key at the same time fails then, and does it again (docs/internals/aggregates.md).

-- fragment: changes
-- dialect: sqlite
select json_extract(value, '$[0]'), json_extract(value, '$[1]'), 0, json_extract(value, '$[2]') from json_each($1) where $2 >= 0
-- dialect: postgres
select e->>0, (e->>1)::bigint, coalesce(1 + pg_backend_pid() % nullif($2::bigint, 0), 0)::integer, (e->>2)::bigint
from json_array_elements($1::json) as changes (e) where true

-- name: add_to_aggregates
insert into loadstone_aggregates (aggregate, key, shard, value) {changes}
on conflict (aggregate, key, shard) do update set value = loadstone_aggregates.value + excluded.value

-- name: raise_aggregates
-- dialect: sqlite
insert into loadstone_aggregates (aggregate, key, shard, value) {changes}
on conflict (aggregate, key, shard) do update set value = max(loadstone_aggregates.value, excluded.value)
-- dialect: postgres
insert into loadstone_aggregates (aggregate, key, shard, value) {changes}
on conflict (aggregate, key, shard) do update set value = greatest(loadstone_aggregates.value, excluded.value)

-- name: lower_aggregates
-- dialect: sqlite
insert into loadstone_aggregates (aggregate, key, shard, value) {changes}
on conflict (aggregate, key, shard) do update set value = min(loadstone_aggregates.value, excluded.value)
-- dialect: postgres
insert into loadstone_aggregates (aggregate, key, shard, value) {changes}
on conflict (aggregate, key, shard) do update set value = least(loadstone_aggregates.value, excluded.value)

-- name: remove_from_aggregates :exec (aggregate text, key int)
-- Primary key.
delete from loadstone_aggregates where aggregate = $aggregate and key = $key

-- name: kept_figures :many (aggregates text[], keys int[])
-- column: aggregate text
-- column: key int?
-- column: total int
-- column: most int
-- column: least int
-- A row at least, without a key, of each that is built. Primary keys; of each key its shards.
select b.aggregate, f.key, coalesce(f.total, 0) as total, coalesce(f.most, 0) as most, coalesce(f.least, 0) as least
from loadstone_aggregates_built as b left join (
    select a.aggregate, a.key, cast(sum(a.value) as bigint) as total, max(a.value) as most, min(a.value) as least
    from loadstone_aggregates as a where a.aggregate {in aggregates} and a.key {in keys} group by a.aggregate, a.key) as f
    on f.aggregate = b.aggregate
where b.aggregate {in aggregates}

-- name: figures_from :many (aggregate text, first_key int, last_key int, keys_max int)
-- column: total int
-- column: most int
-- column: least int
-- In the order of keys; also while it is not built. Primary key, from `first_key` on.
select key, cast(sum(value) as bigint) as total, max(value) as most, min(value) as least from loadstone_aggregates
where aggregate = $aggregate and key >= $first_key and key <= $last_key group by key order by key limit $keys_max

-- name: aggregates_built :many ()
-- Those of this and of other versions of the program.
select aggregate, built_at from loadstone_aggregates_built

-- name: note_aggregate_built :exec (aggregate text, now int)
insert into loadstone_aggregates_built (aggregate, built_at) values ($aggregate, $now)
on conflict (aggregate) do update set built_at = excluded.built_at

-- name: last_kept_key :maybe (aggregate text)
-- Primary key, its last entry.
select key from loadstone_aggregates where aggregate = $aggregate order by key desc limit 1
