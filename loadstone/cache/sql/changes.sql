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
-- What was committed since the state $1, and the state after it, in each row: one row at least, and 100 at most, which may be not
-- all. running: how many transactions have begun since the oldest one that runs, 0 if none does. Index: loadstone_changes_to_follow,
-- from the oldest transaction that ran at $1. What is looked for is not in the text of the condition, so that one plan is for all.
-- dialect: sqlite
select cast(coalesce(c.id, $1) as text) as state, '' as history, 0 as running, c.tags
from (select 1 as one) as always left join loadstone_changes as c on c.id > cast($1 as integer) order by c.id limit 100
-- dialect: postgres
select now.state, now.history, now.running, c.tags
from (select pg_current_snapshot()::text as state, substr(pg_walfile_name(pg_current_wal_flush_lsn()), 1, 8) as history,
             age(pg_snapshot_xmin(pg_current_snapshot())::xid)::bigint as running, pg_snapshot_xmin($1::text::pg_snapshot) as oldest offset 0) as now
left join lateral (select tags from loadstone_changes where xid >= now.oldest and not pg_visible_in_snapshot(xid, $1::text::pg_snapshot)
                   order by xid limit 100) as c on true

-- name: follow_all
-- As `follow`, of however many.
-- dialect: sqlite
select cast(coalesce(c.id, $1) as text) as state, '' as history, 0 as running, c.tags
from (select 1 as one) as always left join loadstone_changes as c on c.id > cast($1 as integer) order by c.id
-- dialect: postgres
select pg_current_snapshot()::text as state, substr(pg_walfile_name(pg_current_wal_flush_lsn()), 1, 8) as history,
    age(pg_snapshot_xmin(pg_current_snapshot())::xid)::bigint as running, c.tags
from (select 1 as one) as always
left join loadstone_changes as c on c.xid >= pg_snapshot_xmin($1::text::pg_snapshot) and not pg_visible_in_snapshot(c.xid, $1::text::pg_snapshot)

-- name: changed_since
-- What was committed since the state $1, as the server that is asked shows it: any replica. Of transactions that had not begun at $1, and of
-- those that ran: however long one of those has run, what ended meanwhile is not read. One row; no tags: more than can be told, and shorter than
-- StatementBudgets::bytes_unasked. A standby's history as the store's watches learn it. Index: loadstone_changes_to_follow.
-- dialect: sqlite
select '' as history, case when count(*) <= 1000 and coalesce(sum(length(tags)), 0) <= 60000 then coalesce(group_concat(tags, ' '), '') end as tags
from (select tags from loadstone_changes where id > cast($1 as integer) limit 1001)
-- dialect: postgres
select case when pg_is_in_recovery() then lpad(upper(to_hex(greatest((select timeline_id from pg_control_checkpoint()),
                (select min_recovery_end_timeline from pg_control_recovery()), (select received_tli from pg_stat_wal_receiver)))), 8, '0')
            else substr(pg_walfile_name(pg_current_wal_flush_lsn()), 1, 8) end as history,
    case when count(*) <= 1000 and coalesce(sum(length(c.tags)), 0) <= 60000 then coalesce(string_agg(c.tags, ' '), '') end as tags
from (select later.tags from (select pg_snapshot_xmax($1::text::pg_snapshot) as next offset 0) as s
      cross join lateral (select tags from loadstone_changes where xid >= s.next order by xid limit 1001) as later
      union all
      select own.tags from pg_snapshot_xip($1::text::pg_snapshot) as ran(xid)
      cross join lateral (select tags from loadstone_changes where xid = ran.xid limit 1001) as own
      limit 1001) as c

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
