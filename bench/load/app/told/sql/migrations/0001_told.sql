-- dialect: sqlite
create table bench_told (
    id integer primary key autoincrement,
    course integer not null,
    learner integer not null,
    points integer not null
);
-- dialect: postgres
create table bench_told (
    id bigint generated always as identity primary key,
    course bigint not null,
    learner bigint not null,
    points bigint not null
);
