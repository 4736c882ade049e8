-- name: insert_row
insert into bench_rows (name, amount) values ($1, $2) returning id

-- name: row_by_id
select id, name, amount from bench_rows where id = $1

-- name: fill_rows
-- $1 rows named row1, row2, ...
-- dialect: sqlite
with recursive n (i) as (select 1 union all select i + 1 from n where i < $1)
insert into bench_rows (name, amount) select 'row' || i, i * 7 from n
-- dialect: postgres
insert into bench_rows (name, amount) select 'row' || i, i * 7 from generate_series(1, $1) as i

-- name: insert_start
insert into bench_starts (id, started_us) values ($1, $2)
