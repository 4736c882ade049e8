-- dialect: sqlite
create table bench_items (
    id integer primary key,
    name text not null,
    category text not null,
    price integer not null,
    quantity integer not null,
    score integer not null,
    ratings integer not null
);
create index bench_items_of_category on bench_items (category, id);
create index bench_items_by_price on bench_items (price, id);
-- dialect: postgres
create table bench_items (
    id bigint primary key,
    name text not null,
    category text not null,
    price bigint not null,
    quantity bigint not null,
    score bigint not null,
    ratings bigint not null
);
create index bench_items_of_category on bench_items (category, id);
create index bench_items_by_price on bench_items (price, id);
