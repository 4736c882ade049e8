-- name: insert_event
insert into audit_events (user_id, action, detail, address, happened_at) values ($1, $2, $3, $4, $5)

-- name: events_of_user
-- Keyset: newest first, ids below $2. Index: audit_events_of_user.
select id, action, detail, address, happened_at from audit_events
where user_id = $1 and id < $2
order by id desc limit $3

-- name: events_in_period
-- Keyset: oldest first, behind ($2, $3), before $4. Index: audit_events_of_user_by_time.
select id, action, detail, address, happened_at from audit_events
where user_id = $1 and (happened_at, id) > ($2, $3) and happened_at < $4
order by happened_at, id limit $5

-- name: count_in_period
-- From $2 on, before $3. Index: audit_events_of_user_by_time.
select count(*) from audit_events where user_id = $1 and happened_at >= $2 and happened_at < $3
