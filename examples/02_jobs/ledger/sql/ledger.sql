-- name: insert_entry :exec (order int, cents int)
insert into ledger_entries (order_id, cents) values ($order, $cents)

-- name: totals :one () -> Totals
-- column: cents int
select count(*) as entries, cast(coalesce(sum(cents), 0) as bigint) as cents from ledger_entries
