#include "campus/discussions/commands.h"

#include <fmt/core.h>

#include <utility>

#include "campus/audit/audit.h"
#include "campus/discussions/sql.h"
#include "loadstone/base/error.h"
#include "loadstone/jobs/publish.h"

namespace campus::discussions {

using namespace loadstone;

namespace {

Task<void> note(Tx& tx, Member instructor, const char* action, std::string detail) {
    audit::Event event;
    event.user = instructor.user.value;
    event.action = action;
    event.detail = std::move(detail);
    event.address = std::move(instructor.address);
    co_await audit::append(tx, std::move(event));
}

Task<void> insert_post(Tx& tx, const Member& author, const NewPost& post, std::int64_t number,
                       Timestamp now) {
    co_await sql::insert_post(tx, post.thread, number, author.user, post.answers, post.text, now);
    const PostPublished published{author.course, post.thread, number};
    co_await jobs::publish(tx, published);
}

Task<sql::Thread> thread_of(Tx& tx, courses::CourseId course, ThreadId id) {
    auto thread = co_await sql::thread_by_id(tx, id, course);
    if (!thread) throw no_such_thread(course, id);
    co_return std::move(*thread);
}

Error is_locked(ThreadId thread) {
    return {Errc::conflict, fmt::format("thread {} is locked", thread.value)};
}

// Why there was no number for a post.
Task<void> refuse(Tx& tx, const Member& author, ThreadId id) {
    const sql::Thread thread = co_await thread_of(tx, author.course, id);
    if (thread.locked != 0 && !author.is_instructor) throw is_locked(id);
    throw Error(Errc::conflict,
                fmt::format("thread {} has {} posts, the limit", id.value, thread.post_count));
}

}  // namespace

Error no_such_thread(courses::CourseId course, ThreadId thread) {
    return {Errc::not_found, fmt::format("course {} has no thread {}", course.value, thread.value)};
}

Error no_such_post(ThreadId thread, std::int64_t number) {
    return {Errc::not_found, fmt::format("thread {} has no post {}", thread.value, number)};
}

Task<ThreadId> start_thread(Tx& tx, Member author, std::string title, std::string text) {
    const Timestamp now = Timestamp::now();
    const Timestamp since = now - std::chrono::hours(24);
    const auto begun = co_await sql::threads_begun(tx, author.course, author.user, since);
    if (begun >= threads_a_day_max)
        throw Error(Errc::resource_exhausted,
                    fmt::format("{} threads of course {} within a day are yours, the limit", begun,
                                author.course.value))
            .with_retry_after(std::chrono::hours(1));
    NewPost first;
    first.thread = co_await sql::insert_thread(tx, author.course, author.user, title, now);
    first.text = std::move(text);
    co_await insert_post(tx, author, first, 1, now);
    co_await sql::raise_read(tx, author.user, first.thread, 1);
    co_return first.thread;
}

// Two that post in a thread at once: on PostgreSQL the first statement of the second one fails and
// its transaction runs again, so the thread comes first and what follows is short.
Task<std::int64_t> publish_post(Tx& tx, Member author, NewPost post) {
    const Timestamp now = Timestamp::now();
    const auto number = co_await sql::take_number(tx, post.thread, author.course,
                                                  author.is_instructor, posts_max, now);
    if (!number) co_await refuse(tx, author, post.thread);
    if (post.answers && *post.answers >= *number)
        throw Error(Errc::invalid_argument, "is no post of this thread").with_field("answers");
    co_await insert_post(tx, author, post, *number, now);
    co_await sql::read_own(tx, author.user, post.thread, *number);
    co_return *number;
}

Task<void> edit_post(Tx& tx, Member author, ThreadId id, std::int64_t number, std::string text) {
    const sql::Thread thread = co_await thread_of(tx, author.course, id);
    if (thread.locked != 0 && !author.is_instructor) throw is_locked(id);
    const Timestamp now = Timestamp::now();
    const Timestamp since = now - edited_within;
    const auto edited = co_await sql::edit_post(tx, id, number, author.user, text, since, now);
    if (edited != 0) co_return;
    const auto post = co_await sql::post(tx, id, number);
    if (!post) throw no_such_post(id, number);
    if (post->author_id != author.user)
        throw Error(Errc::permission_denied,
                    fmt::format("post {} of thread {} is another's", number, id.value));
    if (post->removed_at)
        throw Error(Errc::conflict,
                    fmt::format("post {} of thread {} is removed", number, id.value));
    throw Error(Errc::conflict, fmt::format("post {} of thread {} is older than {} hours", number,
                                            id.value, edited_within.count()));
}

Task<void> remove_post(Tx& tx, Member remover, ThreadId id, std::int64_t number) {
    co_await thread_of(tx, remover.course, id);
    const auto post = co_await sql::post(tx, id, number);
    if (!post) throw no_such_post(id, number);
    const bool is_own = post->author_id == remover.user;
    if (!is_own && !remover.is_instructor)
        throw Error(Errc::permission_denied,
                    fmt::format("post {} of thread {} is another's", number, id.value));
    const Timestamp now = Timestamp::now();
    const auto removed = co_await sql::remove_post(tx, id, number, remover.user, now);
    if (removed == 0 || is_own) co_return;
    std::string detail = fmt::format("post {} of thread {} was removed", number, id.value);
    co_await note(tx, std::move(remover), "post.removed", std::move(detail));
}

Task<void> mark_thread(Tx& tx, Member instructor, ThreadId id, std::optional<bool> pinned,
                       std::optional<bool> locked) {
    const auto marked = co_await sql::mark_thread(tx, id, instructor.course, pinned, locked);
    if (marked == 0) throw no_such_thread(instructor.course, id);
    std::string detail = fmt::format("thread {} was", id.value);
    if (pinned) detail += *pinned ? " pinned" : " unpinned";
    if (pinned && locked) detail += " and";
    if (locked) detail += *locked ? " locked" : " unlocked";
    co_await note(tx, std::move(instructor), "thread.marked", std::move(detail));
}

Task<void> remove_thread(Tx& tx, Member instructor, ThreadId id) {
    const Timestamp now = Timestamp::now();
    const auto removed = co_await sql::remove_thread(tx, id, instructor.course, now);
    if (removed == 0) throw no_such_thread(instructor.course, id);
    std::string detail = fmt::format("thread {} was removed", id.value);
    co_await note(tx, std::move(instructor), "thread.removed", std::move(detail));
}

Task<void> mark_read(Tx& tx, Member reader, ThreadId id, std::int64_t number) {
    const sql::Thread thread = co_await thread_of(tx, reader.course, id);
    if (number > thread.post_count)
        throw Error(Errc::invalid_argument,
                    fmt::format("must be at most {}, the last post", thread.post_count))
            .with_field("number");
    co_await sql::raise_read(tx, reader.user, id, number);
}

}  // namespace campus::discussions
