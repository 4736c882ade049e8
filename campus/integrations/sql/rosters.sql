-- name: insert_roster
-- Index: rosters_by_name keeps names unique.
insert into rosters (name, url, host, added_at, invitation_count, people, added, changed, skipped, error)
values ($1, $2, $3, $4, 0, 0, 0, 0, 0, '')
returning id

-- name: roster_count
select count(*) from rosters

-- name: roster_by_id
select id, name, url, host, added_at, invitation_count, synced_at, people, added, changed, skipped, error, failed_at
from rosters where id = $1

-- name: roster_by_name
-- Index: rosters_by_name.
select id, name, url, host, added_at, invitation_count, synced_at, people, added, changed, skipped, error, failed_at
from rosters where name = $1

-- name: rosters
-- All: there are rosters_max at most. Index: rosters_by_name.
select id, name, url, host, added_at, invitation_count, synced_at, people, added, changed, skipped, error, failed_at
from rosters order by name

-- name: remove_roster
delete from rosters where id = $1

-- name: remove_invitations
-- Of a roster. Index: invitations_of_roster.
delete from invitations where roster_id = $1

-- name: count_invitations
-- $2 more. Whoever does this holds the roster until its transaction ends.
update rosters set invitation_count = invitation_count + $2 where id = $1

-- name: insert_invitations
-- $2: a JSON array of {"email":..,"name":..}, of which those that are new are taken. Index: invitations_of_roster.
-- dialect: sqlite
insert into invitations (roster_id, email, name, invited_at, changed_at)
select $1, json_extract(p.value, '$.email'), json_extract(p.value, '$.name'), $3, $3 from json_each($2) as p where true
on conflict (roster_id, email) do nothing
-- dialect: postgres
insert into invitations (roster_id, email, name, invited_at, changed_at)
select $1, email, name, $3, $3 from json_to_recordset($2::json) as p (email text, name text)
on conflict (roster_id, email) do nothing

-- name: rename_invited
-- Of the same, who are all there now, those whose names are others. Index: invitations_of_roster. (SQLite would read the array for
-- each invitation of the roster if it were an update.)
-- dialect: sqlite
insert into invitations (roster_id, email, name, invited_at, changed_at)
select $1, json_extract(p.value, '$.email'), json_extract(p.value, '$.name'), $3, $3 from json_each($2) as p where true
on conflict (roster_id, email) do update set name = excluded.name, changed_at = excluded.changed_at
where invitations.name <> excluded.name
-- dialect: postgres
update invitations as i set name = p.name, changed_at = $3 from json_to_recordset($2::json) as p (email text, name text)
where i.roster_id = $1 and i.email = p.email and i.name <> p.name

-- name: roster_synced
update rosters set synced_at = $2, people = $3, added = $4, changed = $5, skipped = $6, error = '', failed_at = null where id = $1

-- name: roster_failed
update rosters set error = $2, failed_at = $3 where id = $1
