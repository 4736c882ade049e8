-- dialect: sqlite
create table polls (
    id integer primary key autoincrement,
    question text not null
);
create table votes (
    poll_id integer not null references polls (id),
    voter text not null,
    choice text not null,
    primary key (poll_id, voter)
);
-- dialect: postgres
create table polls (
    id bigint generated always as identity primary key,
    question text not null
);
create table votes (
    poll_id bigint not null references polls (id),
    voter text collate "C" not null,
    choice text collate "C" not null,
    primary key (poll_id, voter)
);
