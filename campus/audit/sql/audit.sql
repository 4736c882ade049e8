-- type: timestamp audit_events.happened_at
-- row: Entry campus/audit/audit.h

-- name: insert_event :exec (user int, action text, detail text, address text, now timestamp)
insert into audit_events (user_id, action, detail, address, happened_at) values ($user, $action, $detail, $address, $now)

-- name: events_of_user :page (id desc) (user int) -> Entry
-- Index: audit_events_of_user.
select id, action, detail, address, happened_at from audit_events where user_id = $user

-- name: events_in_period :stream (user int, behind timestamp, behind_id int, end timestamp, count int) -> Entry
-- Keyset: oldest first. Index: audit_events_of_user_by_time.
select id, action, detail, address, happened_at from audit_events
where user_id = $user and (happened_at, id) > ($behind, $behind_id) and happened_at < $end
order by happened_at, id limit $count

-- name: count_in_period :one (user int, start timestamp, end timestamp)
-- Index: audit_events_of_user_by_time.
select count(*) from audit_events where user_id = $user and happened_at >= $start and happened_at < $end
