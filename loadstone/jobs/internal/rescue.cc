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

constexpr std::int64_t batches_at_once = 64;

// Jobs of batches that somebody else has held, or that nobody knows of.
struct Taken {
    std::vector<std::int64_t> batches;
    std::vector<StoredJob> done;  // they have completed themselves, and no more is recorded of it
    std::vector<StoredJob> unfinished;
};

// The batches are locked: what their handlers have completed meanwhile shows to this.
Task<Taken> jobs_of(Tx& tx, const std::vector<BatchRow>& rows) {
    Taken taken;
    for (const BatchRow& row : rows) taken.batches.push_back(row.id);
    const std::string ids_json = to_json(taken.batches);
    const auto marks = co_await tx.many<Mark>(sql::done_of, ids_json);
    std::map<DoneJob, bool> is_settled;  // of those that have ended
    for (const Mark& mark : marks) is_settled[{mark.batch, mark.job}] = mark.is_settled != 0;
    for (const BatchRow& row : rows) {
        auto jobs = value_or_throw(from_json<std::vector<StoredJob>>(row.jobs, stored_json));
        for (StoredJob& job : jobs) {
            const auto mark = is_settled.find({row.id, job.id});
            if (mark == is_settled.end()) {
                taken.unfinished.push_back(std::move(job));
            } else if (!mark->second) {
                taken.done.push_back(std::move(job));
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

bool is_suspect(const StoredJob& job) {
    return job.partition_key.find(suspect_limit) != std::string::npos;
}

// What of them is to run again is ready; the rest is buried or has ended. A process dies of one of
// its jobs: while one of them is suspected, the others are not blamed. What has been blamed until
// once more would bury it is suspected, and runs when no other suspect does.
Task<void> put_back(Tx& tx, Taken taken, int crashes_max, bool is_crash, Rescued& counts) {
    std::vector<StoredJob> everything = taken.done;
    everything.insert(everything.end(), taken.unfinished.begin(), taken.unfinished.end());
    const auto noted = co_await noted_among(tx, everything);
    Settled settled;
    for (const StoredJob& job : taken.done)
        end(job.id, extra_of(job.extra), true, noted.contains(job.id), "", settled);
    std::vector<StoredJob> ready;
    const bool has_suspects = std::ranges::any_of(taken.unfinished, is_suspect);
    for (StoredJob& job : taken.unfinished) {
        const bool was_noted = noted.contains(job.id);
        const bool is_blamed = is_crash && (!has_suspects || is_suspect(job));
        if (is_blamed) ++job.crashes;
        if (is_crash) job.last_error = "its process died";
        if (is_blamed && job.crashes >= crashes_max) {
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
    co_await tx.defer(sql::remove_dead_processes, dead_after_us);
    Rescued counts;
    counts.released = co_await release_lost_loans(tx);
    const auto orphans = co_await tx.many<BatchRow>(sql::orphaned_batches, batches_at_once);
    if (orphans.empty()) co_return counts;
    Taken taken = co_await jobs_of(tx, orphans);
    co_await put_back(tx, std::move(taken), crashes_max, true, counts);
    counts.is_all = static_cast<std::int64_t>(orphans.size()) < batches_at_once;
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

Task<void> drop(Tx& tx, std::vector<StoredJob> jobs, bool were_blocked) {
    Settled settled;
    for (const StoredJob& job : jobs)
        end(job.id, extra_of(job.extra), false, were_blocked, "", settled);
    co_await end_jobs(tx, std::move(settled.ended));
    co_await release_limits(tx, std::move(settled.released));
}

}  // namespace loadstone::jobs::internal
