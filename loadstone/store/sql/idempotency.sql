-- name: recorded_result
-- Relies on the primary key.
select fingerprint, result
from loadstone_idempotency
where scope_and_key = $1 and write_number = $2;

-- name: take_key
-- One row if the key was free; else none, after waiting for whoever holds it.
insert into loadstone_idempotency (scope_and_key, write_number, fingerprint, result, created_at)
values ($1, $2, $3, '', $4)
on conflict (scope_and_key, write_number) do nothing;

-- name: record_result
update loadstone_idempotency set result = $3 where scope_and_key = $1 and write_number = $2;

-- name: prune_results
-- Relies on loadstone_idempotency_to_prune.
delete from loadstone_idempotency
where (scope_and_key, write_number) in (
    select scope_and_key, write_number
    from loadstone_idempotency
    where created_at < $1
    order by created_at
    limit $2);
