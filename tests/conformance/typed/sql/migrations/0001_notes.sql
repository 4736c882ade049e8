-- dialect: sqlite
create table typed_notes (
    id integer primary key autoincrement,
    topic text not null,
    rank integer not null,
    body text,
    score real,
    is_done boolean not null,
    noted_at integer not null,
    raw blob
);
create index typed_notes_of_topic on typed_notes (topic, rank desc, id);
create table typed_tags (
    note integer not null references typed_notes (id),
    tag text not null,
    primary key (note, tag)
) without rowid;
-- dialect: postgres
create table typed_notes (
    id bigint generated always as identity primary key,
    topic text not null,
    rank bigint not null,
    body text,
    score double precision,
    is_done boolean not null,
    noted_at bigint not null,
    raw bytea
);
create index typed_notes_of_topic on typed_notes (topic, rank desc, id);
create table typed_tags (
    note bigint not null references typed_notes (id),
    tag text collate "C" not null,
    primary key (note, tag)
);
