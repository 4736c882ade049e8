-- Enrolments that have ended, so that what learners did is told by the tables whole (sql/back_fill.sql).
-- dialect: sqlite
create table departures (
    course_id integer not null,
    left_at integer not null,
    user_id integer not null,
    enrolled_at integer not null,
    primary key (course_id, left_at, user_id, enrolled_at)
) without rowid;
-- dialect: postgres
create table departures (
    course_id bigint not null,
    left_at bigint not null,
    user_id bigint not null,
    enrolled_at bigint not null,
    primary key (course_id, left_at, user_id, enrolled_at)
);
