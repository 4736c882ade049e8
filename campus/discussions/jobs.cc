#include "campus/discussions/jobs.h"

#include <fmt/core.h>

#include <chrono>
#include <optional>
#include <set>
#include <unordered_map>
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
constexpr std::int64_t posts_waiting_max = 1'000;
constexpr int posts_at_once = 200;

Task<void> enqueue_notices(Tx& tx, loadstone::jobs::Lease lease,
                           std::vector<SendPostNotice> notices) {
    co_await loadstone::jobs::complete(tx, lease);
    co_await loadstone::jobs::enqueue_all(tx, notices);
}

struct Told {
    accounts::UserId recipient;
    std::int64_t number = 0;  // of the first post that is theirs to hear of
    accounts::UserId author;
};

// By the posts from `first` on.
Task<std::vector<Told>> told_of_posts(Context& context, sql::Thread thread, std::int64_t first) {
    std::vector<Told> all;
    std::set<accounts::UserId> known;
    std::optional<sql::PostsToTellCursor> after;
    after.emplace().number = first - 1;
    do {
        const auto posts =
            co_await sql::posts_to_tell(context.reader(), thread.id, posts_at_once, after);
        for (const sql::PostToTell& post : posts.rows) {
            for (const accounts::UserId told :
                 whom_to_tell(post.author_id, thread.author_id, post.answered)) {
                if (known.insert(told).second) all.push_back({told, post.number, post.author_id});
            }
        }
        after = posts.next;
    } while (after);
    co_return all;
}

// Also of the posts after it: those that came while too many waited have no job of their own.
// Nothing to tell of what is removed meanwhile.
Task<void> tell_of_posts(Context& context, Job<PostPublished> job) {
    const auto thread = co_await sql::thread_by_id(context.reader(), job->thread, job->course);
    if (!thread) co_return;
    const auto all = co_await told_of_posts(context, *thread, job->number);
    std::vector<accounts::UserId> recipients, authors;
    for (const Told& told : all) {
        recipients.push_back(told.recipient);
        authors.push_back(told.author);
    }
    std::unordered_map<accounts::UserId, std::string> providers;
    const auto addresses = co_await accounts::addresses(context.reader(), recipients);
    for (const auto& [id, email] : addresses) providers[id] = outbound::provider_of(email);
    auto tenants = co_await organisations::tenants_of(context.reader(), authors);
    std::vector<SendPostNotice> notices;
    for (const Told& told : all) {
        const auto provider = providers.find(told.recipient);
        if (provider == providers.end()) continue;
        notices.push_back({job->course, job->thread, told.number, told.recipient, told.author,
                           provider->second, tenants[told.author]});
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
    // When more wait than that, one of each thread tells of all posts that have come since.
    handlers.on(tell_of_posts)
        .attempts(10)
        .backoff(std::chrono::seconds(1), std::chrono::minutes(1))
        .bound(posts_waiting_max, loadstone::jobs::OverBound::merge)
        .unique(&PostPublished::thread)
        .unique_while(loadstone::jobs::UniqueWhile::waits);
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
