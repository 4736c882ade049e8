#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include "loadstone/base/encoding.h"
#include "loadstone/base/log.h"
#include "loadstone/jobs/internal/buried.h"
#include "loadstone/jobs/internal/ends.h"
#include "loadstone/jobs/internal/records.h"
#include "loadstone/jobs/keys.h"
#include "loadstone/jobs/sql.h"

namespace loadstone::jobs::internal {

namespace {

struct DoneJob {
    std::int64_t batch = 0, job = 0;

    auto operator<=>(const DoneJob&) const = default;
};
BOOST_DESCRIBE_STRUCT(DoneJob, (), (batch, job))

struct Mark {
    std::int64_t batch = 0, job = 0;
    int is_settled = 0;
};
BOOST_DESCRIBE_STRUCT(Mark, (), (batch, job, is_settled))

constexpr std::size_t error_bytes_max = 2'000;

// What PostgreSQL takes as text, whatever a library put into its exception: what it refused it
// would refuse for ever, and every outcome recorded with it.
std::string storable(const std::string& error) {
    std::string text = error.substr(0, error_bytes_max);
    while (text.size() < error.size() && !text.empty() &&
           (static_cast<unsigned char>(error[text.size()]) & 0xC0) == 0x80) {
        text.pop_back();
    }
    const bool ascii_only = !is_utf8(text);
    for (char& c : text) {
        if (c == '\0' || (ascii_only && static_cast<unsigned char>(c) >= 0x80)) c = '?';
    }
    return text;
}

// What of the outcomes goes where.
struct Sorted {
    std::vector<StoredJob> scheduled, buried;
    std::vector<DoneJob> done;            // of batches that go on
    std::vector<std::int64_t> completed;  // batches of which nothing runs any more
    std::vector<Ended> ended;             // whose end concerns others
    std::vector<std::string> released;    // places of limits
};

// A job ends. What it holds and whom it concerns goes into `sorted`.
void end(std::int64_t job, Extra extra, bool is_done, bool was_noted, std::string result,
         Sorted& sorted) {
    std::ranges::move(extra.holds, std::back_inserter(sorted.released));
    std::ranges::move(extra.keeps, std::back_inserter(sorted.released));
    extra.is_noted = extra.is_noted || was_noted;
    if (extra.is_noted || extra.gives_unique_back || !extra.next.empty())
        sorted.ended.push_back({job, std::move(extra), is_done, std::move(result)});
}

void bury(StoredJob job, bool was_noted, Sorted& sorted) {
    Extra extra = extra_of(job.extra);
    end(job.id, extra, false, was_noted, "", sorted);
    // An operator may put it back: then it concerns nobody any more and does not expire, but it is
    // unique and limited as before.
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
    sorted.buried.push_back(std::move(job));
}

void sort(const Finished& run, Recorded& recorded, Sorted& sorted) {
    if (run.is_dropped) {
        end(run.lease.job, run.job->extra, false, run.was_noted, "", sorted);
        return;
    }
    StoredJob job = run.job->stored;
    job.last_error = storable(run.error);
    switch (run.decision.verdict) {
        case Verdict::retry:
            ++job.attempt;
            ++recorded.retried;
            break;
        case Verdict::snooze: ++recorded.snoozed; break;
        case Verdict::bury:
            ++job.attempt;
            ++recorded.buried;
            bury(std::move(job), run.was_noted, sorted);
            return;
    }
    if (run.was_noted) {
        Extra extra = extra_of(job.extra);
        extra.is_noted = true;
        job.extra = to_text(extra);
    }
    job = to_run_again(std::move(job), sorted.released);
    job.run_at = std::chrono::microseconds(run.decision.delay).count();
    sorted.scheduled.push_back(std::move(job));
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
    const bool concerns_others = std::ranges::any_of(finished, [](const Finished& run) {
        return run.was_noted || !run.job->stored.extra.empty();
    });
    std::set<DoneJob> settled;
    if (!concerns_others) co_return settled;
    const auto rows = co_await tx.many<DoneJob>(sql::settled_of, batches_json);
    settled.insert(rows.begin(), rows.end());
    co_return settled;
}

// Their jobs have been put elsewhere, or are done.
Task<void> remove_batches(Tx& tx, const std::vector<std::int64_t>& batches) {
    const std::string json = to_json(batches);
    co_await tx.exec(sql::remove_batches, json);  // waits for who is completing a job of them
    co_await tx.exec(sql::remove_done, json);
}

Task<void> store(Tx& tx, const Sorted& sorted) {
    if (!sorted.scheduled.empty()) {
        const std::string json = to_json(sorted.scheduled);
        co_await tx.exec(sql::schedule_jobs, json);
    }
    if (!sorted.buried.empty()) {
        const std::string json = to_json(sorted.buried);
        co_await tx.exec(sql::bury_jobs, json);
        co_await tell_buried(tx, sorted.buried);
    }
    if (!sorted.done.empty()) {
        const std::string json = to_json(sorted.done);
        co_await tx.exec(sql::mark_done, json);
    }
    if (!sorted.completed.empty()) co_await remove_batches(tx, sorted.completed);
}

// Whole batches whose ends concern nobody else.
bool are_plain(const std::vector<Finished>& finished, const std::set<std::int64_t>& batches) {
    std::size_t ends = 0;
    for (const Finished& run : finished) {
        if (!run.done || run.was_noted || !run.job->stored.extra.empty()) return false;
        if (run.ends_batch) ++ends;
    }
    return ends == batches.size();
}

// Most of what is recorded: two statements.
Task<Recorded> end_batches(Tx& tx, std::int64_t process, FinishedRuns runs,
                           std::string batches_json) {
    const auto removed =
        co_await tx.many<std::int64_t>(sql::remove_held_batches, batches_json, process);
    const std::set<std::int64_t> gone(removed.begin(), removed.end());
    // Of what has completed itself; that has been committed, for its handler has returned.
    co_await tx.exec(sql::remove_done, batches_json);
    Recorded recorded;
    for (const Finished& run : *runs) {
        if (!gone.contains(run.lease.batch)) ++recorded.lost;
    }
    co_return recorded;
}

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
Task<void> put_back(Tx& tx, Taken taken, int crashes_max, bool is_crash, const LimitBook& limits,
                    Rescued& counts) {
    std::vector<StoredJob> everything = taken.done;
    everything.insert(everything.end(), taken.unfinished.begin(), taken.unfinished.end());
    const auto noted = co_await noted_among(tx, everything);
    Sorted sorted;
    for (const StoredJob& job : taken.done)
        end(job.id, extra_of(job.extra), true, noted.contains(job.id), "", sorted);
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
            bury(std::move(job), was_noted, sorted);
            continue;
        }
        if (was_noted) {
            Extra extra = extra_of(job.extra);
            extra.is_noted = true;
            job.extra = to_text(extra);
        }
        ++counts.rescued;
        job = to_run_again(std::move(job), sorted.released);
        if (is_crash && job.crashes > 0 && job.crashes + 1 >= crashes_max)
            job.partition_key = suspect_partition(job.partition_key, job.queue);
        ready.push_back(std::move(job));
    }
    if (!ready.empty()) {
        const std::string json = to_json(ready);
        co_await tx.exec(sql::ready_jobs, json);
    }
    sorted.completed = std::move(taken.batches);
    co_await store(tx, sorted);
    co_await end_jobs(tx, std::move(sorted.ended));
    co_await release_limits(tx, limits, sorted.released);
}

}  // namespace

SharedJob held_job(StoredJob stored) {
    HeldJob job;
    job.stored = std::move(stored);
    if (!job.stored.extra.empty()) {
        auto extra = from_json<Extra>(job.stored.extra, stored_json);
        if (extra) {
            job.extra = std::move(*extra);
        } else {
            log::error("what a job holds of limits and whom it concerns cannot be read",
                       {{"job", job.stored.id}, {"error", extra.error().message()}});
            job.stored.extra.clear();
            job.is_readable = false;
        }
    }
    return std::make_shared<const HeldJob>(std::move(job));
}

StoredJob to_run_again(StoredJob job, std::vector<std::string>& released) {
    if (job.extra.empty()) return job;
    Extra extra = extra_of(job.extra);
    released.insert(released.end(), extra.holds.begin(), extra.holds.end());
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

Task<Recorded> record(Tx& tx, std::int64_t process, FinishedRuns runs, SharedLimits limits) {
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
    const std::set<DoneJob> settled = co_await settled_of(tx, finished, held_json);
    const std::vector<DoneJob> unmarked = unmarked_in(finished, held);
    const std::set<DoneJob> unfinished = co_await mark_failed(tx, unmarked);

    Recorded recorded;
    Sorted sorted;
    for (const Finished& run : finished) {
        if (!held.contains(run.lease.batch)) {
            ++recorded.lost;
            continue;
        }
        const DoneJob job{run.lease.batch, run.lease.job};
        if (unfinished.contains(job)) {
            sort(run, recorded, sorted);
        } else {
            if (!settled.contains(job))
                end(run.lease.job, run.job->extra, true, run.was_noted, run.result, sorted);
            sorted.done.push_back(job);
        }
        if (run.ends_batch) sorted.completed.push_back(run.lease.batch);
    }
    std::erase_if(sorted.done, [&](const DoneJob& job) {
        return std::ranges::find(sorted.completed, job.batch) != sorted.completed.end();
    });
    co_await store(tx, sorted);
    recorded.unblocked = co_await end_jobs(tx, std::move(sorted.ended));
    recorded.freed = co_await release_limits(tx, *limits, sorted.released);
    co_return recorded;
}

Task<std::int64_t> register_process(Tx& tx, std::string name) {
    co_return co_await tx.one<std::int64_t>(sql::register_process, name);
}

Task<bool> renew_heartbeat(Tx& tx, std::int64_t process) {
    const auto renewed = co_await tx.exec(sql::renew_heartbeat, process);
    co_return renewed == 1;
}

Task<Rescued> rescue(Tx& tx, std::int64_t dead_after_us, int crashes_max, SharedLimits limits) {
    tx.see_commits();
    co_await tx.exec(sql::remove_dead_processes, dead_after_us);
    const auto orphans = co_await tx.many<BatchRow>(sql::orphaned_batches, batches_at_once);
    Rescued counts;
    if (orphans.empty()) co_return counts;
    Taken taken = co_await jobs_of(tx, orphans);
    co_await put_back(tx, std::move(taken), crashes_max, true, *limits, counts);
    counts.is_all = static_cast<std::int64_t>(orphans.size()) < batches_at_once;
    co_return counts;
}

Task<std::int64_t> hand_back(Tx& tx, std::int64_t process, std::string known_json,
                             SharedLimits limits) {
    tx.see_commits();
    Rescued counts;
    const auto batches = co_await tx.many<BatchRow>(sql::batches_of, known_json, process);
    if (batches.empty()) co_return 0;
    Taken taken = co_await jobs_of(tx, batches);
    co_await put_back(tx, std::move(taken), 0, false, *limits, counts);
    co_return static_cast<std::int64_t>(counts.rescued);
}

Task<void> sign_off(Tx& tx, std::int64_t process, SharedLimits limits) {
    const std::string none = "[]";
    co_await hand_back(tx, process, none, std::move(limits));
    co_await tx.exec(sql::remove_process, process);
}

Task<void> drop(Tx& tx, StoredJob job, bool was_blocked, SharedLimits limits) {
    Sorted sorted;
    end(job.id, extra_of(job.extra), false, was_blocked, "", sorted);
    co_await end_jobs(tx, std::move(sorted.ended));
    co_await release_limits(tx, *limits, sorted.released);
}

}  // namespace loadstone::jobs::internal
