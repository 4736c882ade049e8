-- name: insert_event
insert into audit_events (user_id, action, detail, address, happened_at) values ($1, $2, $3, $4, $5)

-- name: events_of_user
-- Keyset: newest first, ids below $2. Index: audit_events_of_user.
select id, action, detail, address, happened_at from audit_events
where user_id = $1 and id < $2
order by id desc limit $3
