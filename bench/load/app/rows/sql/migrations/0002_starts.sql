-- When the handler of each paced job began; a job that ran twice has two rows.
-- dialect: sqlite
create table bench_starts (
    id integer not null,
    started_us integer not null
);
-- dialect: postgres
create table bench_starts (
    id bigint not null,
    started_us bigint not null
);
