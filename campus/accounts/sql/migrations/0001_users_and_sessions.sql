-- dialect: sqlite
create table users (
    id integer primary key autoincrement,
    name text not null,
    email text not null,
    password_hash text not null,
    created_at integer not null
);
create unique index users_by_email on users (email);
create table sessions (
    id integer primary key autoincrement,
    user_id integer not null references users (id),
    token_hash text not null,
    created_at integer not null,
    expires_at integer not null
);
create unique index sessions_by_token on sessions (token_hash);
create index sessions_of_user on sessions (user_id, expires_at);
-- dialect: postgres
create table users (
    id bigint generated always as identity primary key,
    name text not null,
    email text not null,
    password_hash text not null,
    created_at bigint not null
);
create unique index users_by_email on users (email);
create table sessions (
    id bigint generated always as identity primary key,
    user_id bigint not null references users (id),
    token_hash text not null,
    created_at bigint not null,
    expires_at bigint not null
);
create unique index sessions_by_token on sessions (token_hash);
create index sessions_of_user on sessions (user_id, expires_at);
