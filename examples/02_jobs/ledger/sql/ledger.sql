-- name: insert_entry
insert into ledger_entries (order_id, cents) values ($1, $2)

-- name: totals
-- dialect: sqlite
select count(*) as entries, coalesce(sum(cents), 0) as cents from ledger_entries
-- dialect: postgres
select count(*) as entries, coalesce(sum(cents), 0)::bigint as cents from ledger_entries
