insert into active_days (course_id, day, user_id, active_at, lessons, attempts)
select x.course_id, x.at / 86400000000, x.user_id, min(x.at), cast(sum(x.lesson) as bigint), cast(sum(x.attempt) as bigint)
from (
    select course_id, user_id, updated_at as at, 0 as lesson, 0 as attempt from lesson_progress
    union all
    select course_id, user_id, completed_at, 1, 0 from lesson_progress where completed_at is not null
    union all
    select course_id, user_id, attempted_at, 0, 1 from quiz_attempts) as x
group by x.course_id, x.at / 86400000000, x.user_id;
update enrolments set active_day = d.day
from (select course_id, user_id, max(day) as day from active_days group by course_id, user_id) as d
where d.course_id = enrolments.course_id and d.user_id = enrolments.user_id;
