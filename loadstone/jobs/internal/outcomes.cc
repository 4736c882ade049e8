#include <algorithm>
#include <set>
#include <utility>

#include "loadstone/jobs/internal/settled.h"
#include "loadstone/jobs/internal/storable.h"
#include "loadstone/jobs/sql.h"

namespace loadstone::jobs::internal {

namespace {

constexpr std::size_t error_bytes_max = 2'000;

void sort(const Finished& run, Recorded& recorded, Settled& settled) {
    if (run.is_dropped) {
        end(run.lease.job, *run.job->extra, false, run.was_noted, "", settled);
        return;
    }
    StoredJob job = run.job->to_store();
    job.last_error = storable(run.error, error_bytes_max);
    switch (run.decision.verdict) {
        case Verdict::retry:
            ++job.attempt;
            ++recorded.fates[job.kind].retried;
            break;
        case Verdict::snooze: ++recorded.fates[job.kind].snoozed; break;
        case Verdict::bury:
            ++job.attempt;
            ++recorded.fates[job.kind].buried;
            bury(std::move(job), run.was_noted, settled);
            return;
    }
    if (run.was_noted) {
        Extra extra = extra_of(job.extra);
        extra.is_noted = true;
        job.extra = to_text(extra);
    }
    job = to_run_again(std::move(job), settled.released);
    job.run_at = std::chrono::microseconds(run.decision.delay).count();
    settled.scheduled.push_back(std::move(job));
}

std::vector<DoneJob> unmarked_in(const std::vector<Finished>& finished,
                                 const std::set<std::int64_t>& held) {
    std::vector<DoneJob> jobs;
    for (const Finished& run : finished) {
        if (!run.done && held.contains(run.lease.batch))
            jobs.push_back({run.lease.batch, run.lease.job});
    }
    return jobs;
}

// Those of the failed that have not completed themselves in a transaction of their own.
Task<std::set<DoneJob>> mark_failed(Tx& tx, const std::vector<DoneJob>& failed) {
    std::set<DoneJob> marked;
    if (failed.empty()) co_return marked;
    const std::string json = to_json(failed);
    const auto rows = co_await tx.many<DoneJob>(sql::mark_failed, json);
    marked.insert(rows.begin(), rows.end());
    co_return marked;
}

// A record whose answer was lost may have happened; of jobs that concern others that matters.
Task<std::set<DoneJob>> settled_of(Tx& tx, const std::vector<Finished>& finished,
                                   const std::string& batches_json) {
    const bool concerns_others = std::ranges::any_of(
        finished, [](const Finished& run) { return run.was_noted || *run.job->extra != Extra{}; });
    std::set<DoneJob> settled;
    if (!concerns_others) co_return settled;
    const auto rows = co_await tx.many<DoneJob>(sql::settled_of, batches_json);
    settled.insert(rows.begin(), rows.end());
    co_return settled;
}

// Whole batches, all of whose jobs are done, and concern nobody else but by places of limits. What
// may have been recorded before as a part of them is not.
bool are_plain(const std::vector<Finished>& finished, const std::set<std::int64_t>& batches) {
    std::size_t ends = 0;
    for (const Finished& run : finished) {
        const Extra& extra = *run.job->extra;
        if (!run.done || run.may_be_recorded || run.was_noted || extra.is_noted ||
            extra.gives_unique_back || !extra.next.empty())
            return false;
        if (run.ends_batch) ++ends;
    }
    return ends == batches.size();
}

// What they hold. Jobs of one lane mostly share what they hold, and are counted together.
std::map<std::int64_t, Places> places_of(const std::vector<Finished>& finished) {
    std::map<std::int64_t, Places> places;
    for (auto first = finished.begin(); first != finished.end();) {
        const auto last = std::find_if(first, finished.end(), [&](const Finished& run) {
            return run.job->extra != first->job->extra || run.lease.batch != first->lease.batch;
        });
        add_places(places[first->lease.batch], *first->job->extra, last - first);
        first = last;
    }
    return places;
}

// Most of what is recorded: two statements, and one more where places of limits are given back, all
// with the commit.
Task<Recorded> end_batches(Tx& tx, std::int64_t process, FinishedRuns runs,
                           std::string batches_json) {
    Recorded recorded;
    const auto ended = std::make_shared<std::vector<std::int64_t>>();
    recorded.ended = ended;
    auto places = places_of(*runs);
    recorded.released = co_await release_held(tx, process, batches_json, std::move(places));
    co_await tx.defer_many(ended, store::at_once(sql::remove_held_batches), batches_json, process);
    // Of what has completed itself; that has been committed, for its handler has returned.
    co_await tx.defer(sql::remove_done, batches_json);
    co_return recorded;
}

}  // namespace

std::uint64_t Recorded::lost_of(const std::vector<Finished>& runs) const {
    if (!ended) return lost;
    return static_cast<std::uint64_t>(std::ranges::count_if(runs, [&](const Finished& run) {
        return std::ranges::find(*ended, run.lease.batch) == ended->end();
    }));
}

Task<Recorded> record(Tx& tx, std::int64_t process, FinishedRuns runs) {
    tx.see_commits();
    const std::vector<Finished>& finished = *runs;
    std::set<std::int64_t> batches;
    for (const Finished& run : finished) batches.insert(run.lease.batch);
    const std::vector<std::int64_t> asked(batches.begin(), batches.end());
    const std::string asked_json = to_json(asked);
    if (are_plain(finished, batches)) co_return co_await end_batches(tx, process, runs, asked_json);
    const auto holds = co_await tx.many<std::int64_t>(sql::hold_batches, asked_json, process);
    const std::set<std::int64_t> held(holds.begin(), holds.end());
    const std::string held_json = to_json(holds);
    const std::set<DoneJob> before = co_await settled_of(tx, finished, held_json);
    const std::vector<DoneJob> unmarked = unmarked_in(finished, held);
    const std::set<DoneJob> unfinished = co_await mark_failed(tx, unmarked);

    Recorded recorded;
    Settled settled;
    for (const Finished& run : finished) {
        if (!held.contains(run.lease.batch)) {
            ++recorded.lost;
            continue;
        }
        const DoneJob job{run.lease.batch, run.lease.job};
        if (unfinished.contains(job)) {
            sort(run, recorded, settled);
        } else {
            if (!before.contains(job))
                end(run.lease.job, *run.job->extra, true, run.was_noted, run.result, settled);
            settled.done.push_back(job);
        }
        if (run.ends_batch) settled.completed.push_back(run.lease.batch);
    }
    std::erase_if(settled.done, [&](const DoneJob& job) {
        return std::ranges::find(settled.completed, job.batch) != settled.completed.end();
    });
    co_await store(tx, settled);
    // A job that waits for some of them may be held by somebody's transaction.
    const auto has_next = [](const Ended& each) { return !each.extra.next.empty(); };
    if (std::ranges::any_of(settled.ended, has_next)) co_await tx.defer(sql::bound_lock_waits);
    recorded.unblocked = co_await end_jobs(tx, std::move(settled.ended));
    recorded.released = co_await release_limits(tx, std::move(settled.released));
    co_return recorded;
}

}  // namespace loadstone::jobs::internal
