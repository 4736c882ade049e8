-- dialect: sqlite
create table audit_events (
    id integer primary key autoincrement,
    user_id integer not null,
    action text not null,
    detail text not null,
    address text not null,
    happened_at integer not null
);
create index audit_events_of_user on audit_events (user_id, id desc);
-- dialect: postgres
create table audit_events (
    id bigint generated always as identity primary key,
    user_id bigint not null,
    action text not null,
    detail text not null,
    address text not null,
    happened_at bigint not null
);
create index audit_events_of_user on audit_events (user_id, id desc);
