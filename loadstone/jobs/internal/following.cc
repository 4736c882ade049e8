#include "loadstone/jobs/internal/following.h"

#include <map>
#include <set>
#include <utility>

#include "loadstone/jobs/internal/ends.h"
#include "loadstone/jobs/sql.h"

namespace loadstone::jobs::internal {

namespace {

constexpr std::int64_t follows_at_once = 100;

struct Follow {
    std::int64_t job = 0, next = 0;
};
BOOST_DESCRIBE_STRUCT(Follow, (), (job, next))

struct JobExtra {
    std::int64_t id = 0;
    std::string extra;
};
BOOST_DESCRIBE_STRUCT(JobExtra, (), (id, extra))

using Followers = std::map<std::int64_t, std::vector<std::int64_t>>;  // by whom they follow

std::string ids_of(const Followers& followers) {
    std::vector<std::int64_t> ids;
    for (const auto& [job, next] : followers) ids.push_back(job);
    return to_json(ids);
}

// Those of them that stand in a table tell their followers when they end.
Task<void> join(Tx& tx, const store::Command& lock, const store::Command& set, Followers& followers,
                std::set<std::int64_t>& unreadable) {
    if (followers.empty()) co_return;
    const std::string ids = ids_of(followers);
    const auto found = co_await tx.many<JobExtra>(lock, ids);
    for (const JobExtra& job : found) {
        // It will be buried, as what can be read of it tells nobody.
        if (!is_readable_extra(job.extra)) {
            unreadable.insert(job.id);
            continue;
        }
        Extra extra = extra_of(job.extra);
        const auto of = followers.find(job.id);
        extra.next.insert(extra.next.end(), of->second.begin(), of->second.end());
        const std::string text = to_text(extra);
        co_await tx.exec(set, job.id, text);
        followers.erase(of);
    }
}

}  // namespace

Task<bool> has_follows(Reader reader) {
    const auto some = co_await reader.maybe<std::int64_t>(sql::any_follow);
    co_return some.has_value();
}

Task<std::int64_t> follow(Tx& tx) {
    co_await tx.defer(sql::bound_lock_waits);
    const auto rows = co_await tx.many<Follow>(sql::follows, follows_at_once);
    if (rows.empty()) co_return 0;
    Followers followers;
    for (const Follow& row : rows) followers[row.job].push_back(row.next);
    const std::string ids = ids_of(followers);
    const auto running = co_await tx.many<std::int64_t>(sql::running_among, ids);
    for (const std::int64_t job : running) followers.erase(job);
    const Followers settled = followers;
    std::set<std::int64_t> unreadable;
    co_await join(tx, sql::lock_scheduled_extra, sql::set_scheduled_extra, followers, unreadable);
    co_await join(tx, sql::lock_blocked_extra, sql::set_blocked_extra, followers, unreadable);
    co_await join(tx, sql::lock_ready_extra, sql::set_ready_extra, followers, unreadable);
    for (const Follow& row : rows) {
        if (settled.contains(row.job)) co_await tx.defer(sql::remove_follow, row.job, row.next);
    }
    if (followers.empty()) co_return 0;
    // What is left has ended; a dead letter has failed.
    const std::string left = ids_of(followers);
    const auto dead_ids = co_await tx.many<std::int64_t>(sql::dead_among, left);
    const std::set<std::int64_t> dead(dead_ids.begin(), dead_ids.end());
    std::vector<Ended> ended;
    for (auto& [job, next] : followers) {
        Ended one;
        one.id = job;
        one.extra.next = std::move(next);
        one.is_done = !dead.contains(job) && !unreadable.contains(job);
        ended.push_back(std::move(one));
    }
    co_return co_await end_jobs(tx, std::move(ended));
}

}  // namespace loadstone::jobs::internal
