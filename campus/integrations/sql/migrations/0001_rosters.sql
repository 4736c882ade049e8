-- dialect: sqlite
create table rosters (
    id integer primary key autoincrement,
    name text not null,
    url text not null,
    host text not null,
    added_at integer not null,
    invitation_count integer not null,
    synced_at integer,
    people integer not null,
    added integer not null,
    changed integer not null,
    skipped integer not null,
    error text not null,
    failed_at integer
);
create unique index rosters_by_name on rosters (name);
create table invitations (
    id integer primary key autoincrement,
    roster_id integer not null references rosters (id),
    email text not null,
    name text not null,
    invited_at integer not null,
    changed_at integer not null
);
create unique index invitations_of_roster on invitations (roster_id, email);
-- dialect: postgres
create table rosters (
    id bigint generated always as identity primary key,
    name text not null,
    url text not null,
    host text not null,
    added_at bigint not null,
    invitation_count bigint not null,
    synced_at bigint,
    people bigint not null,
    added bigint not null,
    changed bigint not null,
    skipped bigint not null,
    error text not null,
    failed_at bigint
);
create unique index rosters_by_name on rosters (name);
create table invitations (
    id bigint generated always as identity primary key,
    roster_id bigint not null references rosters (id),
    email text not null,
    name text not null,
    invited_at bigint not null,
    changed_at bigint not null
);
create unique index invitations_of_roster on invitations (roster_id, email);
