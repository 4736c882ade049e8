create table scores (
    course_id bigint not null,
    user_id bigint not null,
    points bigint not null,
    primary key (course_id, user_id)
);
create table remarks (
    id bigint primary key
);
