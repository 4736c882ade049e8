#include "loadstone/jobs/internal/ends.h"

#include <algorithm>
#include <map>
#include <utility>

#include "loadstone/jobs/sql.h"
#include "loadstone/jobs/workflow.h"

namespace loadstone::jobs::internal {

namespace {

struct BlockedJob {
    std::int64_t id = 0;
    std::string queue, partition_key;
    int priority = 0;
    std::string kind, arguments, idempotency_key, cause;
    std::int64_t enqueued_at = 0, run_at = 0;
    int attempt = 0, crashes = 0;
    std::string last_error, extra;
    std::int64_t waits_for = 0, failed = 0, total = 0;
    int runs_if_failed = 0;
};
BOOST_DESCRIBE_STRUCT(BlockedJob, (),
                      (id, queue, partition_key, priority, kind, arguments, idempotency_key, cause,
                       enqueued_at, run_at, attempt, crashes, last_error, extra, waits_for, failed,
                       total, runs_if_failed))

struct BlockedChange {
    std::int64_t id = 0, waits_for = 0, failed = 0;
};
BOOST_DESCRIBE_STRUCT(BlockedChange, (), (id, waits_for, failed))

struct Result {
    std::int64_t job = 0;
    std::string name, value;
};
BOOST_DESCRIBE_STRUCT(Result, (), (job, name, value))

struct TakenKey {
    std::string unique_key;
    std::int64_t job = 0;
};
BOOST_DESCRIBE_STRUCT(TakenKey, (), (unique_key, job))

// What has happened to the jobs that one waits for.
struct Predecessors {
    std::int64_t ended = 0, failed = 0;
};

StoredJob stored(BlockedJob blocked) {
    StoredJob job;
    job.id = blocked.id;
    job.queue = std::move(blocked.queue);
    job.partition_key = std::move(blocked.partition_key);
    job.priority = blocked.priority;
    job.kind = std::move(blocked.kind);
    job.arguments = std::move(blocked.arguments);
    job.cause = std::move(blocked.cause);
    job.enqueued_at = blocked.enqueued_at;
    job.extra = std::move(blocked.extra);
    return job;
}

// What changes for those that wait.
struct Unblocked {
    std::vector<BlockedChange> nearer;
    std::vector<std::int64_t> gone;
    std::vector<StoredJob> ready;
    std::vector<Result> results;
    std::vector<Ended> cancelled;

    // Is it one that waits on, or begins?
    bool goes_on(std::int64_t id) const {
        return std::ranges::find(nearer, id, &BlockedChange::id) != nearer.end() ||
               std::ranges::find(ready, id, &StoredJob::id) != ready.end();
    }
};

void unblock(BlockedJob job, const Predecessors& before, Unblocked& out) {
    const std::int64_t left = job.waits_for - before.ended;
    const std::int64_t failed = job.failed + before.failed;
    if (failed > 0 && job.runs_if_failed == 0) {
        out.gone.push_back(job.id);
        Extra extra = extra_of(job.extra);
        extra.is_noted = true;  // results of others may stand under its id
        out.cancelled.push_back({job.id, std::move(extra), false, ""});
    } else if (left > 0) {
        out.nearer.push_back({job.id, left, failed});
    } else {
        out.gone.push_back(job.id);
        const EndedBefore counts{job.total, failed};
        out.results.push_back({job.id, "", to_json(counts)});
        Extra extra = extra_of(job.extra);
        extra.is_noted = true;
        job.extra = to_text(extra);
        out.ready.push_back(stored(std::move(job)));
    }
}

Task<void> apply(Tx& tx, Unblocked& changes) {
    if (!changes.nearer.empty()) {
        const std::string json = to_json(changes.nearer);
        co_await tx.defer(sql::change_blocked, json);
    }
    if (!changes.gone.empty()) {
        const std::string json = to_json(changes.gone);
        co_await tx.defer(sql::remove_blocked, json);
    }
    if (!changes.results.empty()) {
        const std::string json = to_json(changes.results);
        co_await tx.defer(sql::save_results, json);
    }
    if (!changes.ready.empty()) {
        const std::string json = to_json(changes.ready);
        co_await tx.defer(sql::ready_jobs, json);
    }
}

Task<void> forget_notes(Tx& tx, const std::vector<std::int64_t>& jobs) {
    if (jobs.empty()) co_return;
    const std::string json = to_json(jobs);
    co_await tx.defer(sql::remove_steps, json);
    co_await tx.defer(sql::remove_progress, json);
    co_await tx.defer(sql::remove_results, json);
    co_await tx.defer(sql::remove_cancels, json);
}

}  // namespace

Task<void> give_unique(Tx& tx, std::string unique_key, std::int64_t job) {
    co_await tx.exec(sql::give_unique, unique_key, job);
}

// A job that is cancelled because one before it failed is itself one that failed to those behind.
Task<std::int64_t> end_jobs(Tx& tx, std::vector<Ended> ended) {
    std::int64_t moved = 0;
    while (!ended.empty()) {
        std::vector<TakenKey> keys;
        std::vector<std::int64_t> noted;
        std::map<std::int64_t, Predecessors> next;
        std::vector<Result> results;
        for (Ended& each : ended) {
            if (each.extra.gives_unique_back) keys.push_back({each.extra.unique, each.id});
            if (each.extra.is_noted) noted.push_back(each.id);
            for (const std::int64_t id : each.extra.next) {
                ++next[id].ended;
                if (!each.is_done) ++next[id].failed;
                if (!each.result.empty() && !each.extra.name.empty())
                    results.push_back({id, each.extra.name, each.result});
            }
        }
        if (!keys.empty()) {
            const std::string json = to_json(keys);
            co_await tx.defer(sql::release_unique, json);
        }
        co_await forget_notes(tx, noted);
        ended.clear();
        if (next.empty()) break;
        std::vector<std::int64_t> ids;
        for (const auto& [id, before] : next) ids.push_back(id);
        const std::string ids_json = to_json(ids);
        auto blocked = co_await tx.many<BlockedJob>(sql::jobs_blocked, ids_json);
        Unblocked changes;
        for (BlockedJob& job : blocked) {
            const Predecessors before = next[job.id];
            unblock(std::move(job), before, changes);
        }
        for (Result& each : results) {
            if (changes.goes_on(each.job)) changes.results.push_back(std::move(each));
        }
        co_await apply(tx, changes);
        moved += static_cast<std::int64_t>(changes.gone.size());
        ended = std::move(changes.cancelled);
    }
    co_return moved;
}

}  // namespace loadstone::jobs::internal
