-- name: insert_delivery
insert into deliveries (idempotency_key, recipient, subject, state, code, detail, recorded_at)
values ($1, $2, $3, $4, $5, $6, $7)

-- name: deliveries_in_state
-- Newest first; $1 empty: every state. Index: deliveries_by_state.
select idempotency_key, recipient, subject, state, code, detail, recorded_at from deliveries
where $1 = '' or state = $1
order by recorded_at desc limit $2
