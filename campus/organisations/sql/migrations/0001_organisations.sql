-- dialect: sqlite
create table organisations (
    id integer primary key autoincrement,
    name text not null,
    admin_count integer not null check (admin_count >= 0),
    created_at integer not null
);
create unique index organisations_by_name on organisations (name);
create table memberships (
    user_id integer primary key,
    organisation_id integer not null references organisations (id),
    role text not null,
    joined_at integer not null
);
create index memberships_of_organisation on memberships (organisation_id, user_id);
create table member_invitations (
    id integer primary key autoincrement,
    organisation_id integer not null references organisations (id),
    email text not null,
    role text not null,
    token_hash text,
    expires_at integer not null
);
create unique index member_invitations_of_organisation on member_invitations (organisation_id, email);
create unique index member_invitations_by_token on member_invitations (token_hash);
-- dialect: postgres
create table organisations (
    id bigint generated always as identity primary key,
    name text not null,
    admin_count bigint not null check (admin_count >= 0),
    created_at bigint not null
);
create unique index organisations_by_name on organisations (name);
create table memberships (
    user_id bigint primary key,
    organisation_id bigint not null references organisations (id),
    role text not null,
    joined_at bigint not null
);
create index memberships_of_organisation on memberships (organisation_id, user_id);
create table member_invitations (
    id bigint generated always as identity primary key,
    organisation_id bigint not null references organisations (id),
    email text collate "C" not null,
    role text not null,
    token_hash text,
    expires_at bigint not null
);
create unique index member_invitations_of_organisation on member_invitations (organisation_id, email);
create unique index member_invitations_by_token on member_invitations (token_hash);
