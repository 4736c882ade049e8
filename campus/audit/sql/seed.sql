-- row: PastEvent campus/audit/audit.h

-- name: seed_events :exec (events PastEvent(user_id int, action text, detail text, address text, happened_at timestamp)[])
insert into audit_events (user_id, action, detail, address, happened_at) {values events}
