#include "loadstone/jobs/internal/settled.h"

#include <utility>

#include "loadstone/jobs/internal/buried.h"
#include "loadstone/jobs/keys.h"
#include "loadstone/jobs/sql.h"

namespace loadstone::jobs::internal {

namespace {

// Their jobs have been put elsewhere, or are done.
Task<void> remove_batches(Tx& tx, const std::vector<std::int64_t>& batches) {
    const std::string json = to_json(batches);
    co_await tx.defer(sql::remove_batches, json);  // waits for who is completing a job of them
    co_await tx.defer(sql::remove_done, json);
}

}  // namespace

void end(std::int64_t job, const Extra& extra, bool is_done, bool was_noted, std::string result,
         Settled& settled) {
    add_places(settled.released, extra);
    const bool is_noted = extra.is_noted || was_noted;
    if (!is_noted && !extra.gives_unique_back && extra.next.empty()) return;
    settled.ended.push_back({job, extra, is_done, std::move(result)});
    settled.ended.back().extra.is_noted = is_noted;
}

void bury(StoredJob job, bool was_noted, Settled& settled) {
    Extra extra = extra_of(job.extra);
    end(job.id, extra, false, was_noted, "", settled);
    // An operator may put it back: then it concerns nobody any more and does not expire, it is
    // unique and limited as before, and no suspect.
    if (!job.extra.empty()) {
        if (!extra.partition.empty()) job.partition_key = std::move(extra.partition);
        extra.partition.clear();
        extra.next.clear();
        extra.holds.clear();
        extra.keeps.clear();
        extra.expires_after = 0;
        extra.is_noted = false;
        job.extra = to_text(extra);
    }
    job.partition_key = without_suspicion(job.partition_key);
    settled.buried.push_back(std::move(job));
}

Task<void> store(Tx& tx, const Settled& settled) {
    if (!settled.scheduled.empty()) {
        const std::string json = to_json(settled.scheduled);
        co_await tx.defer(sql::schedule_jobs, json);
    }
    if (!settled.buried.empty()) {
        const std::string json = to_json(settled.buried);
        co_await tx.defer(sql::bury_jobs, json);
        co_await tell_buried(tx, settled.buried);
    }
    if (!settled.done.empty()) {
        const std::string json = to_json(settled.done);
        co_await tx.defer(sql::mark_done, json);
    }
    if (!settled.completed.empty()) co_await remove_batches(tx, settled.completed);
}

StoredJob to_run_again(StoredJob job, Places& released) {
    if (job.extra.empty()) return job;
    Extra extra = extra_of(job.extra);
    for (const std::string& name : extra.holds) ++released[name];
    extra.holds.clear();
    if (!extra.keeps.empty()) {
        // It keeps its place in order, so that none overtakes it, and stands in a line of its own,
        // where only the other limits hold.
        if (extra.partition.empty()) extra.partition = job.partition_key;
        job.partition_key = without_limits(job.partition_key, extra.keeps);
    }
    job.extra = to_text(extra);
    return job;
}

}  // namespace loadstone::jobs::internal
