-- name: item_by_id :maybe (id int) -> Item
select id, name, category, price, quantity, score, ratings from bench_items where id = $id

-- name: items_of_category :page (id) (category text) -> Item
-- Index: bench_items_of_category.
select id, name, category, price, quantity, score, ratings from bench_items where category = $category

-- name: items_of_price :many (least int, most int) -> Item
-- Index: bench_items_by_price.
select id, name, category, price, quantity, score, ratings from bench_items
where price between $least and $most order by price, id limit 50

-- name: update_item :maybe (id int, name text, price int, quantity int) -> Item
update bench_items set name = $name, price = $price, quantity = $quantity where id = $id
returning id, name, category, price, quantity, score, ratings

-- name: put_item :one (id int, name text, category text, price int, quantity int) -> Item
insert into bench_items (id, name, category, price, quantity, score, ratings)
values ($id, $name, $category, $price, $quantity, 0, 0)
on conflict (id) do update set name = excluded.name, price = excluded.price, quantity = excluded.quantity
returning id, name, category, price, quantity, score, ratings

-- name: fill_items :exec (count int)
-- Ids 1, 2, ..; four categories; what else a row holds follows from its id.
-- dialect: sqlite
with recursive n (i) as (select 1 union all select i + 1 from n where i < $count)
insert into bench_items (id, name, category, price, quantity, score, ratings)
select i, 'item' || i, substr('toysfoodbookhome', i % 4 * 4 + 1, 4), i % 500 + 1, i % 20, i % 101, i % 1000 from n
-- dialect: postgres
insert into bench_items (id, name, category, price, quantity, score, ratings)
select i, 'item' || i, substr('toysfoodbookhome', (i % 4 * 4 + 1)::int, 4), i % 500 + 1, i % 20, i % 101, i % 1000
from generate_series(1, $count::bigint) as i
