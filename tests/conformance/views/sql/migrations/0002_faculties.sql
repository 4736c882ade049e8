create table faculties (
    course_id bigint primary key,
    faculty bigint not null
);
