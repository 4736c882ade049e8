-- dialect: sqlite
create table reports (
    id integer primary key autoincrement,
    owner_id integer not null,
    kind text not null,
    period_from integer not null,
    period_to integer not null,
    state text not null,
    reason text not null,
    job integer not null,
    file text not null,
    row_count integer not null,
    byte_count integer not null,
    requested_at integer not null,
    ended_at integer
);
create index reports_of_owner on reports (owner_id, id desc);
create index reports_of_job on reports (job);
create index reports_by_age on reports (requested_at);
create index reports_unfinished on reports (owner_id) where state in ('waiting', 'running');
create index reports_long_unfinished on reports (requested_at, id) where state in ('waiting', 'running');
-- dialect: postgres
create table reports (
    id bigint generated always as identity primary key,
    owner_id bigint not null,
    kind text not null,
    period_from bigint not null,
    period_to bigint not null,
    state text not null,
    reason text not null,
    job bigint not null,
    file text not null,
    row_count bigint not null,
    byte_count bigint not null,
    requested_at bigint not null,
    ended_at bigint
);
create index reports_of_owner on reports (owner_id, id desc);
create index reports_of_job on reports (job);
create index reports_by_age on reports (requested_at);
create index reports_unfinished on reports (owner_id) where state in ('waiting', 'running');
create index reports_long_unfinished on reports (requested_at, id) where state in ('waiting', 'running');
