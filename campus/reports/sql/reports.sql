-- States: waiting, running, done, failed, cancelled. One that was cancelled while it ran is nobody's any more, and stays
-- until it is old, because its job may not have ended.

-- id: ReportId campus::reports::ReportTag
-- id: UserId campus::accounts::UserTag
-- type: ReportId reports.id
-- type: UserId reports.owner_id
-- type: timestamp reports.period_from reports.period_to reports.requested_at reports.ended_at

-- name: insert_report :one (owner UserId, kind text, from timestamp, to timestamp, now timestamp)
insert into reports (owner_id, kind, period_from, period_to, state, reason, job, file, row_count, byte_count, requested_at)
values ($owner, $kind, $from, $to, 'waiting', '', 0, '', 0, 0, $now)
returning id

-- name: set_job :exec (id ReportId, job int)
update reports set job = $job where id = $id

-- name: remove_report :exec (id ReportId)
delete from reports where id = $id

-- fragment: row
id, owner_id, kind, period_from, period_to, state, reason, job, file, row_count, byte_count, requested_at, ended_at

-- name: report_of_job :maybe (job int) -> ReportRow
-- Index: reports_of_job.
select {row} from reports where job = $job

-- name: unfinished_of_owner :one (owner UserId)
-- Index: reports_unfinished.
select count(*) from reports where owner_id = $owner and state in ('waiting', 'running')

-- name: report_by_id :maybe (id ReportId) -> ReportRow
select {row} from reports where id = $id

-- name: report_of_owner :maybe (id ReportId, owner UserId) -> ReportRow
-- Nobody else changes it before this transaction ends.
-- dialect: sqlite
select {row} from reports where id = $id and owner_id = $owner
-- dialect: postgres
select {row} from reports where id = $id and owner_id = $owner for update

-- name: reports_of_owner :page (id desc) (owner UserId) -> ReportRow
-- Index: reports_of_owner.
select {row} from reports where owner_id = $owner and state <> 'cancelled'

-- name: begin_report :exec (id ReportId)
update reports set state = 'running', reason = '' where id = $id and state in ('waiting', 'running', 'failed')

-- name: finish_report :exec (id ReportId, file text, rows int, bytes int, now timestamp)
update reports set state = 'done', reason = '', file = $file, row_count = $rows, byte_count = $bytes, ended_at = $now
where id = $id and state = 'running'

-- name: fail_report :exec (id ReportId, reason text, now timestamp)
update reports set state = 'failed', reason = $reason, ended_at = $now where id = $id and state in ('waiting', 'running')

-- name: cancel_report :exec (id ReportId)
update reports set state = 'cancelled' where id = $id

-- name: old_reports :many (before timestamp, count int) -> OldReport
-- Index: reports_by_age.
select id, file from reports where requested_at < $before order by requested_at, id limit $count

-- name: long_unfinished :page (requested_at, id) (before timestamp) -> Unfinished
-- Index: reports_long_unfinished.
select id, job, requested_at from reports where state in ('waiting', 'running') and requested_at < $before
