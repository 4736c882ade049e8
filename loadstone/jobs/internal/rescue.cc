// Jobs that no process holds any more, or none knows of, run again, or have ended.
#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "loadstone/jobs/internal/settled.h"
#include "loadstone/jobs/keys.h"
#include "loadstone/jobs/sql.h"

namespace loadstone::jobs::internal {

namespace {

struct BatchRow {
    std::int64_t id = 0;
    std::string jobs;
};
BOOST_DESCRIBE_STRUCT(BatchRow, (), (id, jobs))

// Jobs of batches that one process has held, or of which it does not know.
struct Taken {
    std::vector<std::int64_t> batches;
    std::size_t jobs = 0;  // in them, with those that had ended before
    // They have completed themselves, and no more is recorded of it, with what they gave.
    std::vector<std::pair<StoredJob, std::string>> done;
    std::vector<StoredJob> unfinished;
};

// The batches are locked: what their handlers have completed meanwhile shows to this.
Task<Taken> jobs_of(Tx& tx, const std::vector<BatchRow>& rows) {
    Taken taken;
    for (const BatchRow& row : rows) taken.batches.push_back(row.id);
    const std::string ids_json = to_json(taken.batches);
    const auto marks = co_await tx.many<Mark>(sql::done_of, ids_json);
    std::map<DoneJob, Mark> ended;
    for (const Mark& mark : marks) ended[{mark.batch, mark.job}] = mark;
    for (const BatchRow& row : rows) {
        auto jobs = value_or_throw(from_json<std::vector<StoredJob>>(row.jobs, stored_json));
        taken.jobs += jobs.size();
        for (StoredJob& job : jobs) {
            const auto mark = ended.find({row.id, job.id});
            if (mark == ended.end()) {
                taken.unfinished.push_back(std::move(job));
            } else if (mark->second.is_settled == 0) {
                taken.done.emplace_back(std::move(job), std::move(mark->second.result));
            }
        }
    }
    co_return taken;
}

// Steps that a run had saved before it was cut off are known to the database alone.
Task<std::set<std::int64_t>> noted_among(Tx& tx, const std::vector<StoredJob>& jobs) {
    std::vector<std::int64_t> ids;
    for (const StoredJob& job : jobs) ids.push_back(job.id);
    const std::string json = to_json(ids);
    const auto noted = co_await tx.many<std::int64_t>(sql::with_steps, json);
    co_return std::set<std::int64_t>(noted.begin(), noted.end());
}

// A process dies of one of its jobs. Suspects run alone, in a sandbox: one that others stood beside
// (of a claim whose answer was lost) had not begun.
bool is_blamed(const StoredJob& job, const Taken& taken) {
    return taken.jobs == 1 || !is_suspect(job.partition_key);
}

// What of them is to run again is ready; the rest is buried or has ended. What has been blamed
// until once more would bury it is a suspect.
Task<void> put_back(Tx& tx, Taken taken, int crashes_max, bool is_crash, Rescued& counts) {
    std::vector<StoredJob> everything = taken.unfinished;
    for (const auto& [job, result] : taken.done) everything.push_back(job);
    const auto noted = co_await noted_among(tx, everything);
    Settled settled;
    for (const auto& [job, result] : taken.done)
        end(job.id, extra_of(job.extra), true, noted.contains(job.id), result, settled);
    std::vector<StoredJob> ready;
    for (StoredJob& job : taken.unfinished) {
        const bool was_noted = noted.contains(job.id);
        if (!is_readable_extra(job.extra)) {
            job.extra.clear();
            job.last_error = unreadable_extra;
            ++counts.buried;
            ++counts.fates[job.kind].buried;
            bury(std::move(job), was_noted, settled);
            continue;
        }
        const bool was_cause = is_crash && is_blamed(job, taken);
        if (was_cause) ++job.crashes;
        if (is_crash) job.last_error = "its process died";
        if (was_cause && job.crashes >= crashes_max) {
            job.last_error += " " + std::to_string(job.crashes) + " times while it ran";
            ++counts.buried;
            ++counts.fates[job.kind].buried;
            bury(std::move(job), was_noted, settled);
            continue;
        }
        if (was_noted) {
            Extra extra = extra_of(job.extra);
            extra.is_noted = true;
            job.extra = to_text(extra);
        }
        ++counts.rescued;
        job = to_run_again(std::move(job), settled.released);
        if (is_crash && job.crashes > 0 && job.crashes + 1 >= crashes_max)
            job.partition_key = suspect_partition(job.partition_key, job.queue);
        ready.push_back(std::move(job));
    }
    if (!ready.empty()) {
        const std::string json = to_json(ready);
        co_await tx.defer(sql::ready_jobs, json);
    }
    settled.completed = std::move(taken.batches);
    co_await store(tx, settled);
    co_await end_jobs(tx, std::move(settled.ended));
    co_await release_limits(tx, std::move(settled.released));
}

}  // namespace

Task<std::int64_t> register_process(Tx& tx, std::string name) {
    co_return co_await tx.one<std::int64_t>(sql::register_process, name);
}

Task<bool> renew_heartbeat(Tx& tx, std::int64_t process) {
    const auto renewed = co_await tx.exec(sql::renew_heartbeat, process);
    co_return renewed == 1;
}

Task<Rescued> rescue(Tx& tx, std::int64_t dead_after_us, int crashes_max) {
    tx.see_commits();
    co_await tx.defer(sql::repair_heartbeats, dead_after_us);
    co_await tx.defer(sql::remove_dead_processes, dead_after_us);
    Rescued counts;
    counts.released = co_await release_lost_loans(tx);
    const auto orphans = co_await tx.many<BatchRow>(sql::orphaned_batches);
    if (orphans.empty()) co_return counts;
    Taken taken = co_await jobs_of(tx, orphans);
    co_await put_back(tx, std::move(taken), crashes_max, true, counts);
    counts.is_all = false;
    co_return counts;
}

Task<std::int64_t> hand_back(Tx& tx, std::int64_t process, std::string known_json) {
    tx.see_commits();
    Rescued counts;
    const auto batches = co_await tx.many<BatchRow>(sql::batches_of, known_json, process);
    if (batches.empty()) co_return 0;
    Taken taken = co_await jobs_of(tx, batches);
    co_await put_back(tx, std::move(taken), 0, false, counts);
    co_return static_cast<std::int64_t>(counts.rescued);
}

Task<void> sign_off(Tx& tx, std::int64_t process) {
    const std::string none = "[]";
    co_await hand_back(tx, process, none);
    co_await tx.defer(sql::remove_process, process);
    co_await release_lost_loans(tx);
}

Task<std::int64_t> drop_cancelled(Tx& tx, std::string ids_json) {
    tx.see_commits();
    const auto waiting = co_await tx.many<std::int64_t>(sql::cancelled_waiting, ids_json);
    std::int64_t dropped = 0;
    for (const std::int64_t id : waiting) {
        const std::string ids = to_json(std::vector<std::int64_t>{id});
        auto job = co_await tx.maybe<StoredJob>(sql::cancel_scheduled, id);
        if (!job) job = co_await tx.maybe<StoredJob>(sql::cancel_ready, ids);
        if (!job) continue;
        std::vector<StoredJob> one;
        one.push_back(std::move(*job));
        co_await drop(tx, std::move(one), true);
        ++dropped;
    }
    co_return dropped;
}

Task<void> drop(Tx& tx, std::vector<StoredJob> jobs, bool were_noted) {
    Settled settled;
    for (const StoredJob& job : jobs)
        end(job.id, readable_extra_of(job.extra), false, were_noted, "", settled);
    co_await end_jobs(tx, std::move(settled.ended));
    co_await release_limits(tx, std::move(settled.released));
}

}  // namespace loadstone::jobs::internal
