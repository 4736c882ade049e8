-- fragment: now
-- The database's clock (SQLite: this machine's), microseconds since 1970: leases of all nodes are told by it.
-- dialect: sqlite
cast((julianday('now') - 2440587.5) * 86400000000.0 as integer)
-- dialect: postgres
(extract(epoch from statement_timestamp()) * 1000000)::bigint

-- name: fill :maybe (id int)
-- column: left_us int
-- What is left of the lease, if there is no answer yet; tags and position as of changes.sql. Primary key.
select of_view, key, holder, lease_ends - {now} as left_us, history, state, position, tags, answer from loadstone_fills where id = $id

-- name: begin_fill :exec (id int, view text, key text, holder text, lease_us int, history text, state text)
-- None: another was faster.
insert into loadstone_fills (id, of_view, key, holder, lease_ends, history, state, position, tags, answer)
values ($id, $view, $key, $holder, {now} + $lease_us, $history, $state, '', '', null) on conflict (id) do nothing

-- name: take_fill :exec (id int, view text, key text, holder text, lease_us int, history text, state text, seen text)
-- Of the holder that was `seen`. None: another was faster.
update loadstone_fills set of_view = $view, key = $key, holder = $holder, lease_ends = {now} + $lease_us, history = $history, state = $state,
    position = '', tags = '', answer = null
where id = $id and holder = $seen

-- name: end_fill :exec (id int, holder text, position text, tags text, answer text)
-- None: its lease was over, and another has it.
update loadstone_fills set position = $position, tags = $tags, answer = $answer where id = $id and holder = $holder

-- name: leave_fill :exec (id int, holder text)
delete from loadstone_fills where id = $id and holder = $holder

-- name: prune_fills :exec (kept_us int)
-- Scans the table: one row for each key of the views that are computed once for all nodes, of some minutes.
delete from loadstone_fills where lease_ends < {now} - $kept_us
