-- What transactions wrote, as tags (loadstone/cache/tags.h), for the caches of all nodes. A row lives for minutes.
-- dialect: sqlite
create table loadstone_changes (
    id integer primary key autoincrement,
    tags text not null
);
-- dialect: postgres
create table loadstone_changes (
    xid xid8 not null default pg_current_xact_id(),
    tags text not null
);
create index loadstone_changes_to_follow on loadstone_changes (xid);
