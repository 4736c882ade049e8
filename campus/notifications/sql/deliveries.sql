-- type: timestamp deliveries.recorded_at

-- name: insert_delivery :exec (idempotency_key text, recipient text, subject text, state text, code int, detail text,
--                              now timestamp)
insert into deliveries (idempotency_key, recipient, subject, state, code, detail, recorded_at)
values ($idempotency_key, $recipient, $subject, $state, $code, $detail, $now)

-- name: deliveries_in_state :many (state text, count int) -> DeliveryRow
-- Newest first; a state that is empty: every state. Index: deliveries_by_state.
select idempotency_key, recipient, subject, state, code, detail, recorded_at from deliveries
where $state = '' or state = $state
order by recorded_at desc, idempotency_key limit $count
