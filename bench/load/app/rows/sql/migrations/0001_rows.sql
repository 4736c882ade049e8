-- dialect: sqlite
create table bench_rows (
    id integer primary key autoincrement,
    name text not null,
    amount integer not null
);
-- dialect: postgres
create table bench_rows (
    id bigint generated always as identity primary key,
    name text not null,
    amount bigint not null
);
