-- name: fill_progress :exec (course int, learners int)
-- 20 lessons of each learner.
-- dialect: sqlite
with recursive users (id) as (select 1 union all select id + 1 from users where id < $learners),
    lessons (number) as (select 1 union all select number + 1 from lessons where number < 20)
insert into bench_progress (course_id, user_id, lesson, done)
select $course, users.id, lessons.number, (users.id + lessons.number) % 2 from users, lessons where true
-- dialect: postgres
insert into bench_progress (course_id, user_id, lesson, done)
select $course, users.id, lessons.number, (users.id + lessons.number) % 2
from generate_series(1, $learners) as users (id), generate_series(1, 20) as lessons (number)

-- name: reach :many (course int)
-- column: begun int
-- column: done int
-- Primary key: the course's part of the table.
select lesson, count(*) as begun, cast(sum(done) as bigint) as done from bench_progress where course_id = $course
group by lesson order by lesson

-- name: touch_progress :exec (lesson int)
-- Of which courses cannot be told from it: each view of them becomes invalid.
update bench_progress set done = done where lesson = $lesson

-- name: add_progress :exec (course int, user int, lesson int)
insert into bench_progress (course_id, user_id, lesson, done) values ($course, $user, $lesson, 1)
