-- Posts of a thread are numbered from 1 without gaps, and stay: of a removed one the text is gone. A removed thread is kept, and
-- shown to nobody. thread_reads: up to which number somebody has read.

-- id: UserId campus::accounts::UserTag
-- id: CourseId campus::courses::CourseTag
-- id: ThreadId campus::discussions::ThreadTag
-- type: ThreadId threads.id posts.thread_id thread_reads.thread_id
-- type: CourseId threads.course_id
-- type: UserId threads.author_id posts.author_id posts.removed_by thread_reads.user_id
-- type: timestamp threads.created_at threads.last_post_at threads.removed_at posts.created_at posts.edited_at posts.removed_at

-- name: threads_begun :one (course CourseId, author UserId, since timestamp)
-- Removed ones too. Index: threads_of_author.
select count(*) from threads where course_id = $course and author_id = $author and created_at > $since

-- name: insert_thread :one (course CourseId, author UserId, title text, now timestamp)
-- Its first post is to follow.
insert into threads (course_id, author_id, title, created_at, post_count, last_post_at, pinned, locked)
values ($course, $author, $title, $now, 1, $now, 0, 0) returning id

-- name: take_number :maybe (id ThreadId, course CourseId, is_instructor bool, posts_max int, now timestamp)
-- The number of the next post. Whoever does this holds the thread until its transaction ends: so numbers are seen in their order.
-- None: there is no such thread, it is locked, or full. Primary key.
update threads set post_count = post_count + 1, last_post_at = case when $now > last_post_at then $now else last_post_at end
where id = $id and course_id = $course and removed_at is null and (locked = 0 or $is_instructor) and post_count < $posts_max
returning post_count

-- name: thread_by_id :maybe (id ThreadId, course CourseId) -> Thread
select id, course_id, author_id, title, created_at, post_count, last_post_at, pinned, locked from threads
where id = $id and course_id = $course and removed_at is null

-- name: threads_of_course :page (pinned desc, last_post_at desc, id desc) (course CourseId, user UserId) -> ThreadEntry
-- column: unread int
-- Index: threads_of_course; primary key of thread_reads.
select t.id, t.author_id, t.title, t.created_at, t.post_count, t.last_post_at, t.pinned, t.locked,
    t.post_count - coalesce(r.number, 0) as unread
from threads as t left join thread_reads as r on r.user_id = $user and r.thread_id = t.id
where t.course_id = $course and t.removed_at is null

-- name: mark_thread :exec (id ThreadId, course CourseId, pinned int?, locked int?)
-- Null: as it is. Primary key.
update threads set pinned = coalesce($pinned, pinned), locked = coalesce($locked, locked)
where id = $id and course_id = $course and removed_at is null

-- name: remove_thread :exec (id ThreadId, course CourseId, now timestamp)
update threads set removed_at = $now where id = $id and course_id = $course and removed_at is null

-- name: insert_post :exec (thread ThreadId, number int, author UserId, answers int?, text text, now timestamp)
insert into posts (thread_id, number, author_id, answers, text, created_at) values ($thread, $number, $author, $answers, $text, $now)

-- name: post :maybe (thread ThreadId, number int) -> Post
select number, author_id, answers, text, created_at, edited_at, removed_at, removed_by from posts
where thread_id = $thread and number = $number

-- name: posts_of_thread :page (number) (thread ThreadId) -> Post
-- Primary key.
select number, author_id, answers, text, created_at, edited_at, removed_at, removed_by from posts where thread_id = $thread

-- name: edit_post :exec (thread ThreadId, number int, author UserId, text text, since timestamp, now timestamp)
-- None: it is another's, removed, or older. Primary key.
update posts set text = $text, edited_at = $now
where thread_id = $thread and number = $number and author_id = $author and removed_at is null and created_at > $since

-- name: remove_post :exec (thread ThreadId, number int, remover UserId, now timestamp)
-- None: it is removed already. Primary key.
update posts set text = '', removed_at = $now, removed_by = $remover
where thread_id = $thread and number = $number and removed_at is null

-- name: read_until :maybe (user UserId, thread ThreadId)
select number from thread_reads where user_id = $user and thread_id = $thread

-- name: raise_read :exec (user UserId, thread ThreadId, number int)
-- The greatest number wins. Primary key.
insert into thread_reads (user_id, thread_id, number) values ($user, $thread, $number)
on conflict (user_id, thread_id) do update set number = excluded.number where excluded.number > thread_reads.number

-- name: read_own :exec (user UserId, thread ThreadId, number int)
-- Who posts has read that, if all before it. Primary key.
update thread_reads set number = $number where user_id = $user and thread_id = $thread and number = $number - 1
