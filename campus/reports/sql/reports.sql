-- States: waiting, running, done, failed, cancelled. One that was cancelled while it ran is nobody's any more, and stays
-- until it is old, because its job may not have ended.

-- name: insert_report
insert into reports (owner_id, kind, period_from, period_to, state, reason, job, file, row_count, byte_count, requested_at)
values ($1, $2, $3, $4, 'waiting', '', 0, '', 0, 0, $5)
returning id

-- name: set_job
update reports set job = $2 where id = $1

-- name: remove_report
delete from reports where id = $1

-- name: report_of_job
-- Index: reports_of_job.
select id, owner_id, kind, period_from, period_to, state, reason, job, file, row_count, byte_count, requested_at, ended_at
from reports where job = $1

-- name: unfinished_of_owner
-- Index: reports_unfinished.
select count(*) from reports where owner_id = $1 and state in ('waiting', 'running')

-- name: report_by_id
select id, owner_id, kind, period_from, period_to, state, reason, job, file, row_count, byte_count, requested_at, ended_at
from reports where id = $1

-- name: report_of_owner
-- That of $1 which $2 owns, and which nobody else changes before this transaction ends.
-- dialect: sqlite
select id, owner_id, kind, period_from, period_to, state, reason, job, file, row_count, byte_count, requested_at, ended_at
from reports where id = $1 and owner_id = $2
-- dialect: postgres
select id, owner_id, kind, period_from, period_to, state, reason, job, file, row_count, byte_count, requested_at, ended_at
from reports where id = $1 and owner_id = $2 for update

-- name: reports_of_owner
-- Keyset: newest first, ids below $2. Index: reports_of_owner.
select id, owner_id, kind, period_from, period_to, state, reason, job, file, row_count, byte_count, requested_at, ended_at
from reports where owner_id = $1 and id < $2 and state <> 'cancelled'
order by id desc limit $3

-- name: begin_report
update reports set state = 'running', reason = '' where id = $1 and state in ('waiting', 'running', 'failed')

-- name: finish_report
-- $2 its file, $3 rows, $4 bytes, $5 now.
update reports set state = 'done', reason = '', file = $2, row_count = $3, byte_count = $4, ended_at = $5
where id = $1 and state = 'running'

-- name: fail_report
-- $2 why, $3 now.
update reports set state = 'failed', reason = $2, ended_at = $3 where id = $1 and state in ('waiting', 'running')

-- name: cancel_report
update reports set state = 'cancelled' where id = $1

-- name: old_reports
-- Asked for before $1, $2 at most. Index: reports_by_age.
select id, file from reports where requested_at < $1 order by requested_at limit $2

-- name: long_unfinished
-- Asked for before $1, behind ($2, $3), $4 at most. Index: reports_long_unfinished.
select id, job, requested_at from reports
where state in ('waiting', 'running') and requested_at < $1 and (requested_at, id) > ($2, $3)
order by requested_at, id limit $4
