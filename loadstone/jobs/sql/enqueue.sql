-- How a job lives: docs/internals/jobs.md. The clock in these statements is the database's (SQLite: this
-- machine's, to about 40 us): leases rest on it. Times are microseconds since 1970.

-- name: insert_ready
-- $1 queue, $2 priority, $3 kind, $4 arguments, $5 cause. A job's id is where it first stands.
-- dialect: sqlite
insert into loadstone_ready (queue, priority, kind, arguments, cause, enqueued_at, run_at)
values ($1, $2, $3, $4, $5, cast((julianday('now') - 2440587.5) * 86400000000.0 as integer), cast((julianday('now') - 2440587.5) * 86400000000.0 as integer))
returning seq
-- dialect: postgres
insert into loadstone_ready (queue, priority, kind, arguments, cause, enqueued_at, run_at)
values ($1, $2, $3, $4, $5, (extract(epoch from statement_timestamp()) * 1000000)::bigint, (extract(epoch from statement_timestamp()) * 1000000)::bigint)
returning seq

-- name: insert_all_ready
-- $4: a JSON array of arguments, each a text.
-- dialect: sqlite
insert into loadstone_ready (queue, priority, kind, arguments, cause, enqueued_at, run_at)
select $1, $2, $3, value, $5, cast((julianday('now') - 2440587.5) * 86400000000.0 as integer), cast((julianday('now') - 2440587.5) * 86400000000.0 as integer) from json_each($4) order by key
-- dialect: postgres
insert into loadstone_ready (queue, priority, kind, arguments, cause, enqueued_at, run_at)
select $1, $2, $3, value, $5, (extract(epoch from statement_timestamp()) * 1000000)::bigint, (extract(epoch from statement_timestamp()) * 1000000)::bigint from json_array_elements_text($4::json) with ordinality as each (value, place) order by place

-- name: schedule_ready
-- What $1 has just inserted, for later: $2 microseconds from now.
-- dialect: sqlite
insert into loadstone_scheduled (id, queue, priority, kind, arguments, idempotency_key, cause, enqueued_at, run_at, attempt, crashes, last_error)
select seq, queue, priority, kind, arguments, idempotency_key, cause, enqueued_at, cast((julianday('now') - 2440587.5) * 86400000000.0 as integer) + $2, attempt, crashes, last_error
from loadstone_ready where queue = $3 and priority = $4 and seq = $1
-- dialect: postgres
insert into loadstone_scheduled (id, queue, priority, kind, arguments, idempotency_key, cause, enqueued_at, run_at, attempt, crashes, last_error)
select seq, queue, priority, kind, arguments, idempotency_key, cause, enqueued_at, (extract(epoch from statement_timestamp()) * 1000000)::bigint + $2, attempt, crashes, last_error
from loadstone_ready where queue = $3 and priority = $4 and seq = $1

-- name: remove_new_ready
-- What this transaction has just inserted. Index: loadstone_ready_for_claim, on PostgreSQL the primary key.
delete from loadstone_ready where queue = $1 and priority = $2 and seq = $3
