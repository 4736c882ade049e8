-- name: insert_item
insert into items (name, quantity) values ($1, $2) returning id;

-- name: add_item
insert into items (name, quantity) values ($1, $2);

-- name: item_by_name
-- Relies on the unique name.
select id, name, quantity from items where name = $1;

-- name: items_after
-- Relies on the primary key.
select id, name, quantity from items where id > $1 order by id limit $2;

-- name: item_count
select count(*) from items;

-- name: quantity_of
-- Relies on the unique name.
select quantity from items where name = $1;

-- name: total_quantity
select sum(quantity) from items;

-- name: set_quantity
update items set quantity = $2 where name = $1;

-- name: add_quantity
update items set quantity = quantity + $2 where name = $1;

-- name: delete_items
delete from items where id > $1;

-- name: insert_part
insert into parts (item) values ($1) returning id;

-- name: insert_kinds
insert into kinds (truth, number, ratio, words, raw) values ($1, $2, $3, $4, $5) returning id;

-- name: kinds_by_id
-- Relies on the primary key.
select truth, number, ratio, words, raw from kinds where id = $1;

-- name: kinds_with_number
select count(*) from kinds where number = $1;

-- name: numbers_below
-- dialect: sqlite
with recursive numbers (number) as (
    select 0 union all select number + 1 from numbers where number + 1 < $1)
select number, 'a row of some length, as rows are' as words from numbers;
-- dialect: postgres
select number, 'a row of some length, as rows are' as words
from generate_series(0::bigint, $1 - 1) as number;

-- name: numbers_between
-- Row by row: in the list PostgreSQL does not make all of them first.
-- dialect: sqlite
with recursive numbers (number) as (
    select $1 union all select number + 1 from numbers where number + 1 < $2)
select number, 'a row of some length, as rows are' as words from numbers;
-- dialect: postgres
select generate_series($1::bigint, $2::bigint - 1) as number, 'a row of some length, as rows are' as words;

-- name: takes_long
-- Far beyond any deadline that a test gives it.
-- dialect: sqlite
with recursive numbers (number) as (
    select 0 union all select number + 1 from numbers where number < $1)
select count(*) from numbers;
-- dialect: postgres
select $1 from pg_sleep(60);

-- name: takes_a_moment
-- A tenth of a second or so.
-- dialect: sqlite
with recursive numbers (number) as (
    select 0 union all select number + 1 from numbers where number < $1 + 1000000)
select count(*) from numbers;
-- dialect: postgres
select $1 from pg_sleep(0.1);

-- name: fails_at_once
-- An error of the database while it runs.
-- dialect: sqlite
select abs(-9223372036854775807 - $1);
-- dialect: postgres
select 9223372036854775807 + $1;

-- name: items_of_quantity
-- Reads all items: there is no index on the quantity.
select id, name, quantity from items where quantity = $1 order by id;

-- name: parts_of
-- Relies on parts_of_item.
select id from parts where item = $1;
