-- dialect: sqlite
create table threads (
    id integer primary key autoincrement,
    course_id integer not null,
    author_id integer not null,
    title text not null,
    created_at integer not null,
    post_count integer not null,
    last_post_at integer not null,
    pinned integer not null,
    locked integer not null,
    removed_at integer
);
create index threads_of_course on threads (course_id, pinned, last_post_at, id) where removed_at is null;
create index threads_of_author on threads (course_id, author_id, created_at);
create table posts (
    thread_id integer not null references threads (id),
    number integer not null,
    author_id integer not null,
    answers integer,
    text text not null,
    created_at integer not null,
    edited_at integer,
    removed_at integer,
    removed_by integer,
    primary key (thread_id, number)
);
create table thread_reads (
    user_id integer not null,
    thread_id integer not null references threads (id),
    number integer not null,
    primary key (user_id, thread_id)
) without rowid;
-- dialect: postgres
create table threads (
    id bigint generated always as identity primary key,
    course_id bigint not null,
    author_id bigint not null,
    title text not null,
    created_at bigint not null,
    post_count bigint not null,
    last_post_at bigint not null,
    pinned bigint not null,
    locked bigint not null,
    removed_at bigint
);
create index threads_of_course on threads (course_id, pinned, last_post_at, id) where removed_at is null;
create index threads_of_author on threads (course_id, author_id, created_at);
create table posts (
    thread_id bigint not null references threads (id),
    number bigint not null,
    author_id bigint not null,
    answers bigint,
    text text not null,
    created_at bigint not null,
    edited_at bigint,
    removed_at bigint,
    removed_by bigint,
    primary key (thread_id, number)
);
create table thread_reads (
    user_id bigint not null,
    thread_id bigint not null references threads (id),
    number bigint not null,
    primary key (user_id, thread_id)
);
