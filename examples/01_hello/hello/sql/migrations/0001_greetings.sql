-- dialect: sqlite
create table greetings (
    name text primary key,
    times integer not null
) without rowid;
-- dialect: postgres
create table greetings (
    name text primary key,
    times bigint not null
);
