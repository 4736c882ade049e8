-- Jobs that were enqueued after others: internal/following.h.

-- name: add_follow
-- $2 waits for $1.
insert into loadstone_follows (job, next) values ($1, $2)

-- name: any_follow
select job from loadstone_follows limit 1

-- name: follows
-- $1 of them at most; nobody else changes them before this transaction ends.
-- dialect: sqlite
select job, next from loadstone_follows order by job, next limit $1
-- dialect: postgres
select job, next from loadstone_follows order by job, next limit $1 for update skip locked

-- name: remove_follow
delete from loadstone_follows where job = $1 and next = $2

-- name: running_among
-- Those of $1, a JSON array of ids, that run.
select id from {running} where id {ids}

-- name: dead_among
select id from loadstone_dead_jobs where id {ids}

-- name: lock_scheduled_extra
-- Those of $1, a JSON array of ids, that are there.
-- dialect: sqlite
select id, extra from loadstone_scheduled where id {ids}
-- dialect: postgres
select id, extra from loadstone_scheduled where id {ids} for update

-- name: set_scheduled_extra
update loadstone_scheduled set extra = $2 where id = $1

-- name: lock_blocked_extra
-- dialect: sqlite
select id, extra from loadstone_blocked where id {ids}
-- dialect: postgres
select id, extra from loadstone_blocked where id {ids} for update

-- name: set_blocked_extra
update loadstone_blocked set extra = $2 where id = $1

-- name: lock_ready_extra
-- It reads the table, once for what is followed.
-- dialect: sqlite
select coalesce(job, seq) as id, extra from loadstone_ready where coalesce(job, seq) {ids}
-- dialect: postgres
select coalesce(job, seq) as id, extra from loadstone_ready where coalesce(job, seq) {ids} for update

-- name: set_ready_extra
-- It reads the table.
update loadstone_ready set extra = $2 where job = $1 or (job is null and seq = $1)
