#include "campus/discussions/jobs.h"

#include <fmt/core.h>

#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include "campus/discussions/discussions.h"
#include "campus/discussions/notices.h"
#include "campus/discussions/sql.h"
#include "campus/learning/learning.h"
#include "campus/notifications/notifications.h"
#include "campus/organisations/organisations.h"
#include "loadstone/module/site.h"
#include "loadstone/outbound/mail.h"

namespace campus::discussions {

using namespace loadstone;

namespace {

constexpr std::chrono::hours told_once_in{1};

Task<void> enqueue_notices(Tx& tx, loadstone::jobs::Lease lease,
                           std::vector<SendPostNotice> notices) {
    co_await loadstone::jobs::complete(tx, lease);
    co_await loadstone::jobs::enqueue_all(tx, notices);
}

// Nothing to tell of what is removed meanwhile.
Task<void> tell_of_post(Context& context, Job<PostPublished> job) {
    const auto thread = co_await sql::thread_by_id(context.reader(), job->thread, job->course);
    const auto post = co_await sql::post(context.reader(), job->thread, job->number);
    if (!thread || !post || post->removed_at) co_return;
    std::optional<accounts::UserId> answered;
    if (post->answers) {
        const auto other = co_await sql::post(context.reader(), job->thread, *post->answers);
        if (other && !other->removed_at) answered = other->author_id;
    }
    const std::string tenant = co_await organisations::tenant_of(context.reader(), post->author_id);
    std::vector<SendPostNotice> notices;
    for (const accounts::UserId told : whom_to_tell(post->author_id, thread->author_id, answered)) {
        const auto recipient = co_await accounts::recipient(context.reader(), told);
        if (!recipient) continue;
        SendPostNotice& notice = notices.emplace_back();
        notice.course = job->course;
        notice.thread = job->thread;
        notice.number = job->number;
        notice.recipient = told;
        notice.author = post->author_id;
        notice.tenant = tenant;
        notice.provider = outbound::provider_of(recipient->email);
    }
    co_await context.write(enqueue_notices, job.lease(), notices);
}

// Who has left the course is not told.
Task<bool> may_read(Reader reader, const courses::Course& course, accounts::UserId user) {
    if (course.instructor_id == user) co_return true;
    co_return co_await learning::takes_part(reader, course.id, user);
}

Task<void> send_post_notice(Context& context, Job<SendPostNotice> job) {
    const auto thread = co_await sql::thread_by_id(context.reader(), job->thread, job->course);
    const auto course = co_await courses::course_by_id(context.reader(), job->course);
    const auto recipient = co_await accounts::recipient(context.reader(), job->recipient);
    if (!thread || !course || !recipient) co_return;
    if (!co_await may_read(context.reader(), *course, job->recipient)) co_return;
    const std::string& site = context.services().get<module::Site>().url;
    notifications::Letter letter;
    letter.to_name = recipient->name;
    letter.to_address = recipient->email;
    letter.subject = "New posts in a discussion";
    letter.text = fmt::format(
        "Hello {},\n\nthere are new posts for you in the discussion \"{}\" of the course "
        "\"{}\".\n\n"
        "{}/api/courses/{}/threads/{}/posts?after={}\n\nOf this discussion you are told once an "
        "hour "
        "at most.\n\nCampus\n",
        recipient->name, thread->title, course->title, site, course->id.value, thread->id.value,
        job->number - 1);
    co_await notifications::deliver(context, job.lease(), job.idempotency_key(), std::move(letter));
}

}  // namespace

void jobs(Handlers& handlers) {
    handlers.on(tell_of_post)
        .attempts(10)
        .backoff(std::chrono::seconds(1), std::chrono::minutes(1));
    // Of one who waits or was told within the hour, no second one is made. A queue of its own:
    // mails that wait for a provider hold up no events.
    handlers.handle(send_post_notice)
        .queue("post_notices")
        .attempts(120)
        .timeout(std::chrono::seconds(90))
        .unique_for(told_once_in, &SendPostNotice::thread, &SendPostNotice::recipient)
        .tenant(&SendPostNotice::tenant)
        .limit(notifications::per_provider(), &SendPostNotice::provider);
}

}  // namespace campus::discussions
