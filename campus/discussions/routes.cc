#include "campus/discussions/routes.h"

#include <fmt/core.h>

#include <limits>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "campus/discussions/commands.h"
#include "campus/discussions/sql.h"
#include "campus/discussions/thread_place.h"
#include "campus/learning/learning.h"
#include "loadstone/admission/rate_limits.h"
#include "loadstone/base/error.h"

namespace campus::discussions {

using namespace loadstone;

namespace {

constexpr std::size_t title_max = 200;
constexpr std::size_t text_bytes_max = 10 * 1024;  // written as \u0000 within the body's 64 KiB
constexpr std::uint32_t posts_a_minute_max = 20;   // of one user, edits included
constexpr std::int64_t greatest = std::numeric_limits<std::int64_t>::max();

void check_text(Check& check, const std::string& text) {
    check.length("text", text, 1, text_bytes_max);
    check.that("text", text.size() <= text_bytes_max,
               fmt::format("must be at most {} bytes", text_bytes_max));
    check.that("text", text.find_first_not_of(" \t\r\n") != std::string::npos, "must not be blank");
}

struct ThreadDraft {
    std::string title, text;
};
BOOST_DESCRIBE_STRUCT(ThreadDraft, (), (title, text))

void validate(Check& check, const ThreadDraft& in) {
    check.line("title", in.title, 1, title_max);
    check_text(check, in.text);
}

struct PostDraft {
    std::string text;
    std::optional<std::int64_t> answers;  // number of a post of the thread
};
BOOST_DESCRIBE_STRUCT(PostDraft, (), (text, answers))

void validate(Check& check, const PostDraft& in) {
    check_text(check, in.text);
    check.range("answers", in.answers.value_or(1), 1, greatest);
}

struct NewText {
    std::string text;
};
BOOST_DESCRIBE_STRUCT(NewText, (), (text))

void validate(Check& check, const NewText& in) { check_text(check, in.text); }

struct Marks {
    std::optional<bool> pinned, locked;  // not said: as it is
};
BOOST_DESCRIBE_STRUCT(Marks, (), (pinned, locked))

void validate(Check& check, const Marks& in) {
    check.that("pinned", in.pinned || in.locked, "must be said, or locked");
}

struct ReadMark {
    std::int64_t number = 1;  // of the last post that was read
};
BOOST_DESCRIBE_STRUCT(ReadMark, (), (number))

void validate(Check& check, const ReadMark& in) { check.range("number", in.number, 1, greatest); }

struct PageOfThreads {
    std::optional<std::string> after;
    std::optional<int> limit;
};
BOOST_DESCRIBE_STRUCT(PageOfThreads, (), (after, limit))

void validate(Check& check, const PageOfThreads& page) {
    check.that("after", !page.after || place_from_text(*page.after),
               "must be a next_after of this list");
    check.range("limit", page.limit.value_or(50), 1, 200);
}

struct PageOfPosts {
    std::optional<std::int64_t> after;
    std::optional<int> limit;
};
BOOST_DESCRIBE_STRUCT(PageOfPosts, (), (after, limit))

void validate(Check& check, const PageOfPosts& page) {
    check.range("after", page.after.value_or(1), 1, greatest);
    check.range("limit", page.limit.value_or(50), 1, 200);
}

struct StartedThread {
    ThreadId id;
};
BOOST_DESCRIBE_STRUCT(StartedThread, (), (id))

struct PublishedPost {
    std::int64_t number = 0;
};
BOOST_DESCRIBE_STRUCT(PublishedPost, (), (number))

struct ShownThread {
    ThreadId id;
    std::string title;
    accounts::Person author;
    Timestamp created_at, last_post_at;
    std::int64_t posts = 0, unread = 0;
    bool pinned = false, locked = false;
};
BOOST_DESCRIBE_STRUCT(ShownThread, (),
                      (id, title, author, created_at, last_post_at, posts, unread, pinned, locked))

struct Threads {
    std::vector<ShownThread> threads;
    std::optional<std::string> next_after;  // for the next page; null at the end
};
BOOST_DESCRIBE_STRUCT(Threads, (), (threads, next_after))

struct ShownPost {
    std::int64_t number = 0;
    accounts::Person author;
    std::optional<std::int64_t> answers;
    std::optional<std::string> text;  // null: it is removed
    Timestamp created_at;
    std::optional<Timestamp> edited_at, removed_at;
    std::optional<std::string> removed_by;  // author, instructor
};
BOOST_DESCRIBE_STRUCT(ShownPost, (),
                      (number, author, answers, text, created_at, edited_at, removed_at,
                       removed_by))

struct Posts {
    std::vector<ShownPost> posts;
    std::optional<std::int64_t> next_after;  // for the next page; null at the end
};
BOOST_DESCRIBE_STRUCT(Posts, (), (posts, next_after))

// The course's discussions are its learners' and its instructor's.
Task<Member> member_of(Context& context, courses::CourseId id) {
    Member member;
    member.course = id;
    member.user = accounts::UserId(context.require_session().user);
    const auto course = co_await courses::course_by_id(context.reader(), id);
    if (!course || !course->is_published())
        throw Error(Errc::not_found, fmt::format("there is no course {}", id.value));
    member.is_instructor = course->instructor_id == member.user;
    if (member.is_instructor) co_return member;
    const bool takes_part = co_await learning::takes_part(context.reader(), id, member.user);
    if (!takes_part)
        throw Error(Errc::permission_denied,
                    fmt::format("you are not enrolled in course {}", id.value));
    co_return member;
}

Task<Member> instructor_of(Context& context, const Request& request, courses::CourseId id) {
    Member member = co_await member_of(context, id);
    if (!member.is_instructor)
        throw Error(Errc::permission_denied,
                    fmt::format("course {} is another instructor's", id.value));
    member.address = request.address();
    co_return member;
}

void count_post(Context& context, const Member& author) {
    context.services().get<admission::RateLimits>().check_or_throw(
        "discussions.posts", fmt::format("{}", author.user.value), posts_a_minute_max,
        std::chrono::minutes(1));
}

using Names = std::unordered_map<accounts::UserId, std::string>;

// Of the rows' authors.
template <class Row>
Task<Names> names_of(Context& context, const std::vector<Row>& rows) {
    std::vector<accounts::UserId> ids;
    for (const Row& row : rows) ids.push_back(row.author_id);
    Names names;
    auto people = co_await accounts::people(context.reader(), std::move(ids));
    for (accounts::Person& person : people) names[person.id] = std::move(person.name);
    co_return names;
}

template <class Row>
ShownThread shown(const Row& row, std::int64_t unread, std::string author) {
    ShownThread thread;
    thread.id = row.id;
    thread.title = row.title;
    thread.author.id = row.author_id;
    thread.author.name = std::move(author);
    thread.created_at = row.created_at;
    thread.last_post_at = row.last_post_at;
    thread.posts = row.post_count;
    thread.unread = unread;
    thread.pinned = row.pinned != 0;
    thread.locked = row.locked != 0;
    return thread;
}

Task<Reply<Threads>> show_threads(Context& context, Path<courses::CourseId> course,
                                  Parameters<PageOfThreads> page) {
    const Member member = co_await member_of(context, course.value);
    std::optional<sql::ThreadsOfCourseCursor> after;
    if (page->after) after = place_from_text(*page->after);
    const auto found = co_await sql::threads_of_course(context.reader(), member.course, member.user,
                                                       page->limit.value_or(50), after);
    Names names = co_await names_of(context, found.rows);
    Reply<Threads> reply;
    if (found.next) reply.body.next_after = to_text(*found.next);
    for (const sql::ThreadEntry& row : found.rows)
        reply.body.threads.push_back(shown(row, row.unread, names[row.author_id]));
    co_return reply;
}

Task<Reply<StartedThread, 201>> begin_thread(Context& context, Path<courses::CourseId> course,
                                             Body<ThreadDraft> in) {
    const Member author = co_await member_of(context, course.value);
    count_post(context, author);
    const ThreadId id = co_await context.write(start_thread, author, in->title, in->text);
    Reply<StartedThread, 201> reply{{id}};
    reply.headers.emplace_back(
        "Location", fmt::format("/api/courses/{}/threads/{}", author.course.value, id.value));
    co_return reply;
}

Task<sql::Thread> thread_of(Context& context, const Member& member, ThreadId id) {
    auto thread = co_await sql::thread_by_id(context.reader(), id, member.course);
    if (!thread) throw no_such_thread(member.course, id);
    co_return std::move(*thread);
}

Task<Reply<ShownThread>> show_thread(Context& context, Path<courses::CourseId> course,
                                     Path<ThreadId> id) {
    const Member member = co_await member_of(context, course.value);
    // Before the thread, so that not more is read than there is.
    const auto read = co_await sql::read_until(context.reader(), member.user, id.value);
    const sql::Thread thread = co_await thread_of(context, member, id.value);
    const auto author = co_await accounts::recipient(context.reader(), thread.author_id);
    std::string name;
    if (author) name = author->name;
    Reply<ShownThread> reply{shown(thread, thread.post_count - read.value_or(0), std::move(name))};
    co_return reply;
}

Task<Response> mark(Context& context, const Request& request, Path<courses::CourseId> course,
                    Path<ThreadId> id, Body<Marks> in) {
    const Member instructor = co_await instructor_of(context, request, course.value);
    co_await context.write(mark_thread, instructor, id.value, in->pinned, in->locked);
    co_return net::no_content();
}

Task<Response> remove_whole_thread(Context& context, const Request& request,
                                   Path<courses::CourseId> course, Path<ThreadId> id) {
    const Member instructor = co_await instructor_of(context, request, course.value);
    co_await context.write(remove_thread, instructor, id.value);
    co_return net::no_content();
}

Task<Reply<Posts>> show_posts(Context& context, Path<courses::CourseId> course, Path<ThreadId> id,
                              Parameters<PageOfPosts> page) {
    const Member member = co_await member_of(context, course.value);
    co_await thread_of(context, member, id.value);
    std::optional<sql::PostsOfThreadCursor> after;
    if (page->after) after.emplace().number = *page->after;
    auto found =
        co_await sql::posts_of_thread(context.reader(), id.value, page->limit.value_or(50), after);
    Names names = co_await names_of(context, found.rows);
    Reply<Posts> reply;
    if (found.next) reply.body.next_after = found.next->number;
    for (sql::Post& row : found.rows) {
        ShownPost& post = reply.body.posts.emplace_back();
        post.number = row.number;
        post.author.id = row.author_id;
        post.author.name = names[row.author_id];
        post.answers = row.answers;
        post.created_at = row.created_at;
        post.edited_at = row.edited_at;
        post.removed_at = row.removed_at;
        if (!row.removed_at) post.text = std::move(row.text);
        if (row.removed_by)
            post.removed_by = *row.removed_by == row.author_id ? "author" : "instructor";
    }
    co_return reply;
}

Task<Reply<PublishedPost, 201>> post(Context& context, Path<courses::CourseId> course,
                                     Path<ThreadId> id, Body<PostDraft> in) {
    const Member author = co_await member_of(context, course.value);
    count_post(context, author);
    NewPost draft;
    draft.thread = id.value;
    draft.text = in->text;
    draft.answers = in->answers;
    const std::int64_t number = co_await context.write(publish_post, author, draft);
    Reply<PublishedPost, 201> reply{{number}};
    co_return reply;
}

Task<Response> edit(Context& context, Path<courses::CourseId> course, Path<ThreadId> id,
                    Path<std::int64_t> number, Body<NewText> in) {
    const Member author = co_await member_of(context, course.value);
    count_post(context, author);
    co_await context.write(edit_post, author, id.value, number.value, in->text);
    co_return net::no_content();
}

Task<Response> remove(Context& context, const Request& request, Path<courses::CourseId> course,
                      Path<ThreadId> id, Path<std::int64_t> number) {
    Member remover = co_await member_of(context, course.value);
    remover.address = request.address();
    co_await context.write(remove_post, remover, id.value, number.value);
    co_return net::no_content();
}

Task<Response> note_read(Context& context, Path<courses::CourseId> course, Path<ThreadId> id,
                         Body<ReadMark> in) {
    const Member reader = co_await member_of(context, course.value);
    co_await context.write(mark_read, reader, id.value, in->number);
    co_return net::no_content();
}

}  // namespace

void routes(Routes& routes) {
    const std::string threads = "/api/courses/{course}/threads";
    const std::string thread = threads + "/{thread}";
    const std::string one_post = thread + "/posts/{post}";
    routes.get(threads, show_threads)
        .summary_is("The threads of a course, pinned ones first, then by their last posts")
        .may_answer(403)
        .may_answer(404);
    routes.post(threads, begin_thread)
        .summary_is("Begin a thread with its first post")
        .may_answer(403)
        .may_answer(404)
        .may_answer(429);
    routes.get(thread, show_thread)
        .summary_is("A thread, without its posts")
        .may_answer(403)
        .may_answer(404);
    routes.patch(thread, mark)
        .summary_is("Pin or lock a thread, or no longer, as the instructor")
        .body_max(1024)
        .may_answer(403)
        .may_answer(404);
    routes.remove(thread, remove_whole_thread)
        .summary_is("Remove a thread, as the instructor")
        .may_answer(403)
        .may_answer(404);
    routes.put(thread + "/read", note_read)
        .summary_is("Up to which post one has read; it never falls")
        .body_max(1024)
        .may_answer(403)
        .may_answer(404);
    routes.get(thread + "/posts", show_posts)
        .summary_is("The posts of a thread, oldest first")
        .may_answer(403)
        .may_answer(404);
    routes.post(thread + "/posts", post)
        .summary_is("Post in a thread")
        .may_answer(403)
        .may_answer(404)
        .may_answer(409)
        .may_answer(429);
    routes.patch(one_post, edit)
        .summary_is("Another text for a post of one's own, within a day")
        .may_answer(403)
        .may_answer(404)
        .may_answer(409)
        .may_answer(429);
    routes.remove(one_post, remove)
        .summary_is("Remove a post of one's own, or any as the instructor; its number stays")
        .may_answer(403)
        .may_answer(404);
}

}  // namespace campus::discussions
