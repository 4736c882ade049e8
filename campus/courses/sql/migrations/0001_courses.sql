-- dialect: sqlite
create table courses (
    id integer primary key autoincrement,
    title text not null,
    title_key text not null,
    description text not null,
    instructor_id integer not null,
    capacity integer not null,
    state text not null,
    lesson_count integer not null,
    quiz_count integer not null,
    created_at integer not null,
    published_at integer
);
create index courses_in_catalogue on courses (title_key, id) where state = 'published';
create table prerequisites (
    course_id integer not null references courses (id),
    required_id integer not null references courses (id),
    primary key (course_id, required_id)
) without rowid;
create table lessons (
    id integer primary key autoincrement,
    course_id integer not null references courses (id),
    number integer not null,
    title text not null,
    length_s integer not null
);
create unique index lessons_of_course on lessons (course_id, number);
create table quizzes (
    id integer primary key autoincrement,
    course_id integer not null references courses (id),
    lesson_id integer not null references lessons (id),
    title text not null,
    points_max integer not null,
    weight integer not null
);
create index quizzes_of_course on quizzes (course_id, id);
-- dialect: postgres
create table courses (
    id bigint generated always as identity primary key,
    title text not null,
    title_key text collate "C" not null,
    description text not null,
    instructor_id bigint not null,
    capacity bigint not null,
    state text not null,
    lesson_count bigint not null,
    quiz_count bigint not null,
    created_at bigint not null,
    published_at bigint
);
create index courses_in_catalogue on courses (title_key, id) where state = 'published';
create table prerequisites (
    course_id bigint not null references courses (id),
    required_id bigint not null references courses (id),
    primary key (course_id, required_id)
);
create table lessons (
    id bigint generated always as identity primary key,
    course_id bigint not null references courses (id),
    number bigint not null,
    title text not null,
    length_s bigint not null
);
create unique index lessons_of_course on lessons (course_id, number);
create table quizzes (
    id bigint generated always as identity primary key,
    course_id bigint not null references courses (id),
    lesson_id bigint not null references lessons (id),
    title text not null,
    points_max bigint not null,
    weight bigint not null
);
create index quizzes_of_course on quizzes (course_id, id);
