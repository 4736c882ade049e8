-- name: record_change
-- $1: tags, decimal, one space between two.
insert into loadstone_changes (tags) values ($1)

-- name: follow_start
-- What a follower begins with: it has seen all that there is now.
-- dialect: sqlite
select cast(coalesce(max(id), 0) as text) as state, '' as history from loadstone_changes
-- dialect: postgres
select pg_current_snapshot()::text as state, substr(pg_walfile_name(pg_current_wal_flush_lsn()), 1, 8) as history

-- name: follow
-- What was committed since the state $1, and the state after it, in each row; one row at least. Index:
-- loadstone_changes_to_follow, from the oldest transaction that ran then.
-- dialect: sqlite
select cast(coalesce(c.id, $1) as text) as state, '' as history, c.tags
from (select 1 as one) as always left join loadstone_changes as c on c.id > cast($1 as integer) order by c.id
-- dialect: postgres
select pg_current_snapshot()::text as state, substr(pg_walfile_name(pg_current_wal_flush_lsn()), 1, 8) as history, c.tags
from (select 1 as one) as always
left join loadstone_changes as c on c.xid >= pg_snapshot_xmin($1::text::pg_snapshot) and not pg_visible_in_snapshot(c.xid, $1::text::pg_snapshot)

-- name: changes_with :one (tags text)
-- column: changes int
-- Scans the table, of some minutes: once, at the start of a process.
select count(*) as changes from loadstone_changes where tags = $tags

-- name: prune_changes
-- All that a follower had seen that was at the state $1.
-- dialect: sqlite
delete from loadstone_changes where id <= cast($1 as integer)
-- dialect: postgres
delete from loadstone_changes where xid < pg_snapshot_xmin($1::text::pg_snapshot)
