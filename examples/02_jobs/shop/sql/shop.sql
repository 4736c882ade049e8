-- name: insert_order
insert into orders (organisation, customer, item, cents) values ($1, $2, $3, $4) returning id

-- name: order_by_id
select organisation, customer, item, cents from orders where id = $1

-- name: mark_invoiced
update orders set is_invoiced = is_invoiced + 1 where id = $1

-- name: invoiced
-- Once each, if what the jobs promise holds.
select count(*) from orders where is_invoiced = 1

-- name: sum_of
-- dialect: sqlite
select coalesce(sum(cents), 0) from orders where organisation = $1
-- dialect: postgres
select coalesce(sum(cents), 0)::bigint from orders where organisation = $1

-- name: count_of
select count(*) from orders where organisation = $1

-- name: insert_payment
insert into payments (account, number) values ($1, $2)

-- name: payments_of
select number from payments where account = $1 order by id limit 10000

-- name: insert_price
-- Not "on conflict": a row that is imported twice is to be seen.
insert into prices (list, item, cents) values ($1, $2, $3)

-- name: count_prices
select count(*) from prices where list = $1

-- name: add_to_tally
insert into tally (name, count) values ($1, $2) on conflict (name) do update set count = tally.count + excluded.count

-- name: tally
select name, count from tally order by name limit 1000
