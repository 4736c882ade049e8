-- id: RosterId campus::integrations::RosterTag
-- type: RosterId rosters.id invitations.roster_id
-- type: timestamp rosters.added_at rosters.synced_at rosters.failed_at invitations.invited_at invitations.changed_at
-- row: Person campus/integrations/page.h

-- name: insert_roster :one (name text, url text, host text, now timestamp)
-- Index: rosters_by_name keeps names unique.
insert into rosters (name, url, host, added_at, invitation_count, people, added, changed, skipped, error)
values ($name, $url, $host, $now, 0, 0, 0, 0, 0, '')
returning id

-- name: roster_count :one ()
select count(*) from rosters

-- fragment: row
-- synced_at and the counts: the last sync that came to its end; error and failed_at: what has gone wrong since. sync_job: the last
-- that was enqueued or has ended; ended_job: the last that ended, well or not.
id, name, url, host, added_at, invitation_count, synced_at, people, added, changed, skipped, error, failed_at, sync_job, ended_job

-- name: roster_by_id :maybe (id RosterId) -> RosterRow
select {row} from rosters where id = $id

-- name: roster_by_name :maybe (name text) -> RosterRow
-- Index: rosters_by_name.
select {row} from rosters where name = $name

-- name: rosters :many () -> RosterRow
-- All: there are rosters_max at most. Index: rosters_by_name.
select {row} from rosters order by name

-- name: remove_roster :exec (id RosterId)
delete from rosters where id = $id

-- name: remove_invitations :exec (roster RosterId)
-- Index: invitations_of_roster.
delete from invitations where roster_id = $roster

-- name: count_invitations :exec (roster RosterId, more int)
-- Whoever does this holds the roster until its transaction ends.
update rosters set invitation_count = invitation_count + $more where id = $roster

-- name: insert_invitations :exec (roster RosterId, people Person(email text, name text)[], now timestamp)
-- Of the people those that are new are taken. Index: invitations_of_roster.
insert into invitations (roster_id, email, name, invited_at, changed_at)
select $roster, p.email, p.name, $now, $now from {rows people} as p where true
on conflict (roster_id, email) do nothing

-- name: rename_invited :exec (roster RosterId, people Person(email text, name text)[], now timestamp)
-- Of the people those who are invited under other names. Index: invitations_of_roster. (SQLite would read the array for each
-- invitation of the roster if it were an update.)
-- dialect: sqlite
insert into invitations (roster_id, email, name, invited_at, changed_at)
select $roster, p.email, p.name, $now, $now from {rows people} as p
where exists (select 1 from invitations as i where i.roster_id = $roster and i.email = p.email)
on conflict (roster_id, email) do update set name = excluded.name, changed_at = excluded.changed_at
where invitations.name <> excluded.name
-- dialect: postgres
update invitations as i set name = p.name, changed_at = $now from {rows people} as p
where i.roster_id = $roster and i.email = p.email and i.name <> p.name

-- name: set_sync_job :exec (id RosterId, job int)
-- Nothing where it is that job's already.
update rosters set sync_job = $job where id = $id and sync_job <> $job

-- name: sync_ended :exec (id RosterId, job int)
-- It becomes the last one too: a dead letter that was put back may have ended after jobs with larger ids.
update rosters set sync_job = $job, ended_job = $job where id = $id

-- name: roster_synced :exec (id RosterId, now timestamp, people int, added int, changed int, skipped int)
update rosters set synced_at = $now, people = $people, added = $added, changed = $changed, skipped = $skipped, error = '', failed_at = null
where id = $id

-- name: roster_failed :exec (id RosterId, error text, now timestamp)
update rosters set error = $error, failed_at = $now where id = $id
