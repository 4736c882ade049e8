-- row: Order shop/shop.h

-- name: insert_order :one (organisation text, customer text, item text, cents int)
insert into orders (organisation, customer, item, cents) values ($organisation, $customer, $item, $cents) returning id

-- name: order_by_id :maybe (id int) -> Order
select organisation, customer, item, cents from orders where id = $id

-- name: mark_invoiced :exec (id int)
update orders set is_invoiced = is_invoiced + 1 where id = $id

-- name: invoiced :one ()
-- Once each, if what the jobs promise holds.
select count(*) from orders where is_invoiced = 1

-- name: sum_of :one (organisation text)
-- column: cents int
select cast(coalesce(sum(cents), 0) as bigint) as cents from orders where organisation = $organisation

-- name: count_of :one (organisation text)
select count(*) from orders where organisation = $organisation

-- name: insert_payment :exec (account text, number int)
insert into payments (account, number) values ($account, $number)

-- name: payments_of :many (account text)
select number from payments where account = $account order by id limit 10000

-- name: insert_price :exec (list text, item int, cents int)
-- Not "on conflict": a row that is imported twice is to be seen.
insert into prices (list, item, cents) values ($list, $item, $cents)

-- name: count_prices :one (list text)
select count(*) from prices where list = $list

-- name: add_to_tally :exec (name text, count int)
insert into tally (name, count) values ($name, $count) on conflict (name) do update set count = tally.count + excluded.count

-- name: tally :many () -> Tally
select name, count from tally order by name limit 1000
