-- Whose day in which course had activity, since when, and what was done on it: so that who was active is told of each day, where
-- lesson_progress has the last time of a lesson alone. Of the time before: what that tells (0007). `enrolments.active_day`: the last such day,
-- 0: none since then; a ping on it need not write it again.
-- dialect: sqlite
create table active_days (
    course_id integer not null,
    day integer not null,
    user_id integer not null,
    active_at integer not null,
    lessons integer not null,
    attempts integer not null,
    primary key (course_id, day, user_id)
) without rowid;
alter table enrolments add column active_day integer not null default 0;
-- dialect: postgres
create table active_days (
    course_id bigint not null,
    day bigint not null,
    user_id bigint not null,
    active_at bigint not null,
    lessons bigint not null,
    attempts bigint not null,
    primary key (course_id, day, user_id)
);
alter table enrolments add column active_day bigint not null default 0;
