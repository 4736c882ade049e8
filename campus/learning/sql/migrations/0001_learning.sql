-- dialect: sqlite
create table course_seats (
    course_id integer primary key,
    taken integer not null check (taken >= 0)
);
create table enrolments (
    course_id integer not null,
    user_id integer not null,
    enrolled_at integer not null,
    lessons_completed integer not null,
    primary key (course_id, user_id)
) without rowid;
create index enrolments_of_user on enrolments (user_id, course_id);
create table completions (
    user_id integer not null,
    course_id integer not null,
    completed_at integer not null,
    primary key (user_id, course_id)
) without rowid;
create table lesson_progress (
    user_id integer not null,
    course_id integer not null,
    lesson_id integer not null,
    position_s integer not null,
    updated_at integer not null,
    completed_at integer,
    primary key (user_id, course_id, lesson_id)
) without rowid;
create table quiz_attempts (
    id integer primary key autoincrement,
    course_id integer not null,
    user_id integer not null,
    quiz_id integer not null,
    points integer not null,
    attempted_at integer not null
);
create index quiz_attempts_for_grades on quiz_attempts (course_id, user_id, quiz_id, attempted_at, points);
create table grading_runs (
    id integer primary key autoincrement,
    course_id integer not null,
    started_by integer not null,
    state text not null,
    scheme text not null,
    learners integer not null,
    slices integer not null,
    job integer not null,
    reason text not null,
    graded integer not null,
    grade_sum integer not null,
    buckets text not null,
    started_at integer not null,
    ended_at integer
);
create unique index grading_runs_running on grading_runs (course_id) where state = 'running';
create index grading_runs_long_running on grading_runs (started_at, id) where state = 'running';
create table grading_slices (
    run_id integer not null references grading_runs (id),
    number integer not null,
    after_user integer not null,
    last_user integer not null,
    learners integer not null,
    graded integer not null,
    grade_sum integer not null,
    buckets text not null,
    primary key (run_id, number)
) without rowid;
create table grades (
    course_id integer not null,
    user_id integer not null,
    run_id integer not null,
    grade integer not null,
    graded_at integer not null,
    primary key (course_id, user_id)
) without rowid;
-- dialect: postgres
create table course_seats (
    course_id bigint primary key,
    taken bigint not null check (taken >= 0)
);
create table enrolments (
    course_id bigint not null,
    user_id bigint not null,
    enrolled_at bigint not null,
    lessons_completed bigint not null,
    primary key (course_id, user_id)
);
create index enrolments_of_user on enrolments (user_id, course_id);
create table completions (
    user_id bigint not null,
    course_id bigint not null,
    completed_at bigint not null,
    primary key (user_id, course_id)
);
create table lesson_progress (
    user_id bigint not null,
    course_id bigint not null,
    lesson_id bigint not null,
    position_s bigint not null,
    updated_at bigint not null,
    completed_at bigint,
    primary key (user_id, course_id, lesson_id)
);
create table quiz_attempts (
    id bigint generated always as identity primary key,
    course_id bigint not null,
    user_id bigint not null,
    quiz_id bigint not null,
    points bigint not null,
    attempted_at bigint not null
);
create index quiz_attempts_for_grades on quiz_attempts (course_id, user_id, quiz_id, attempted_at, points);
create table grading_runs (
    id bigint generated always as identity primary key,
    course_id bigint not null,
    started_by bigint not null,
    state text not null,
    scheme text not null,
    learners bigint not null,
    slices bigint not null,
    job bigint not null,
    reason text not null,
    graded bigint not null,
    grade_sum bigint not null,
    buckets text not null,
    started_at bigint not null,
    ended_at bigint
);
create unique index grading_runs_running on grading_runs (course_id) where state = 'running';
create index grading_runs_long_running on grading_runs (started_at, id) where state = 'running';
create table grading_slices (
    run_id bigint not null references grading_runs (id),
    number bigint not null,
    after_user bigint not null,
    last_user bigint not null,
    learners bigint not null,
    graded bigint not null,
    grade_sum bigint not null,
    buckets text not null,
    primary key (run_id, number)
);
create table grades (
    course_id bigint not null,
    user_id bigint not null,
    run_id bigint not null,
    grade bigint not null,
    graded_at bigint not null,
    primary key (course_id, user_id)
);
