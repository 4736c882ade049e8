create table bench_progress (
    course_id bigint not null,
    user_id bigint not null,
    lesson bigint not null,
    done bigint not null,
    primary key (course_id, user_id, lesson)
);
