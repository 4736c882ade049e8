#include "loadstone/jobs/internal/records.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "loadstone/base/assert.h"
#include "loadstone/base/encoding.h"
#include "loadstone/jobs/sql.h"

namespace loadstone::jobs::internal {

namespace {

struct LaneRow {
    std::int64_t id = 0;
    std::string place;  // of the row, until the transaction ends
    std::string queue;
    int priority = 0;
    std::string kind, arguments, idempotency_key, cause;
    std::int64_t enqueued_at = 0, run_at = 0;
    int attempt = 0, crashes = 0;
    std::string last_error;
};
BOOST_DESCRIBE_STRUCT(LaneRow, (),
                      (id, place, queue, priority, kind, arguments, idempotency_key, cause,
                       enqueued_at, run_at, attempt, crashes, last_error))

struct DoneJob {
    std::int64_t batch = 0, job = 0;

    auto operator<=>(const DoneJob&) const = default;
};
BOOST_DESCRIBE_STRUCT(DoneJob, (), (batch, job))

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

StoredJob stored(LaneRow row) {
    StoredJob job;
    job.id = row.id;
    job.queue = std::move(row.queue);
    job.priority = row.priority;
    job.kind = std::move(row.kind);
    job.arguments = std::move(row.arguments);
    job.idempotency_key = std::move(row.idempotency_key);
    job.cause = std::move(row.cause);
    job.enqueued_at = row.enqueued_at;
    job.run_at = row.run_at;
    job.attempt = row.attempt;
    job.crashes = row.crashes;
    job.last_error = std::move(row.last_error);
    return job;
}

Task<Batch> claim_lane(Tx& tx, std::int64_t process, const LaneClaim& lane, std::int64_t count) {
    Batch batch;
    batch.asked = count;
    std::vector<LaneRow> rows =
        co_await tx.many<LaneRow>(sql::lane_to_claim, lane.queue, lane.priority, lane.cursor,
                                  lane.kinds_json, count, process);
    if (rows.empty()) co_return batch;
    std::vector<std::string> places;
    for (LaneRow& row : rows) {
        places.push_back(std::move(row.place));
        batch.jobs.push_back(stored(std::move(row)));
    }
    const std::string places_json = to_json(places);
    const auto removed = co_await tx.exec(sql::remove_ready, places_json);
    LOADSTONE_ASSERT(removed == rows.size(), "rows that are locked stay where they are");
    const std::string jobs_json = to_json(batch.jobs);
    batch.id = co_await tx.one<std::int64_t>(sql::insert_batch, process, jobs_json);
    co_return batch;
}

// Their jobs have been put elsewhere, or are done.
Task<void> remove_batches(Tx& tx, const std::vector<std::int64_t>& batches) {
    const std::string json = to_json(batches);
    co_await tx.exec(sql::remove_batches, json);  // waits for who is completing a job of them
    co_await tx.exec(sql::remove_done, json);
}

// What of the outcomes goes where.
struct Sorted {
    std::vector<StoredJob> scheduled, buried;
    std::vector<DoneJob> done;            // of batches that go on
    std::vector<std::int64_t> completed;  // batches of which nothing runs any more
};

void sort(const Finished& run, Recorded& recorded, Sorted& sorted) {
    StoredJob job = run.job;
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
            sorted.buried.push_back(std::move(job));
            return;
    }
    job.run_at = std::chrono::microseconds(run.decision.delay).count();
    sorted.scheduled.push_back(std::move(job));
}

std::vector<DoneJob> failures_in(const std::vector<Finished>& finished,
                                 const std::set<std::int64_t>& held) {
    std::vector<DoneJob> failed;
    for (const Finished& run : finished) {
        if (!run.done && held.contains(run.lease.batch))
            failed.push_back({run.lease.batch, run.lease.job});
    }
    return failed;
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

Task<void> see_commits(Tx& tx) { co_await tx.maybe<std::int64_t>(sql::see_commits); }

Task<std::int64_t> release(Tx& tx, std::int64_t process, const std::string& known_json) {
    const auto batches = co_await tx.many<std::int64_t>(sql::batches_of, process, known_json);
    if (batches.empty()) co_return 0;
    const std::string json = to_json(batches);
    const auto jobs = co_await tx.exec(sql::hand_back_jobs, json);
    co_await remove_batches(tx, batches);
    co_return static_cast<std::int64_t>(jobs);
}

}  // namespace

Task<Claimed> claim(Tx& tx, std::int64_t process, std::vector<LaneClaim> lanes,
                    std::int64_t total) {
    co_await see_commits(tx);
    Claimed claimed;
    std::map<std::string, std::int64_t> taken;  // of each queue
    for (const LaneClaim& lane : lanes) {
        std::int64_t& of_queue = taken[lane.queue];
        const std::int64_t count = std::min(lane.count - of_queue, total);
        Batch batch;
        if (count > 0) batch = co_await claim_lane(tx, process, lane, count);
        const auto size = static_cast<std::int64_t>(batch.jobs.size());
        of_queue += size;
        total -= size;
        claimed.batches.push_back(std::move(batch));
    }
    co_return claimed;
}

Task<std::int64_t> ready_due_jobs(Tx& tx, std::int64_t count) {
    co_await see_commits(tx);
    const auto due = co_await tx.many<std::int64_t>(sql::due_jobs, count);
    if (due.empty()) co_return 0;
    const std::string json = to_json(due);
    co_await tx.exec(sql::ready_scheduled, json);
    co_await tx.exec(sql::remove_scheduled, json);
    co_return static_cast<std::int64_t>(due.size());
}

Task<Recorded> record(Tx& tx, std::int64_t process, std::vector<Finished> finished) {
    co_await see_commits(tx);
    std::set<std::int64_t> batches;
    for (const Finished& run : finished) batches.insert(run.lease.batch);
    const std::vector<std::int64_t> asked(batches.begin(), batches.end());
    const std::string asked_json = to_json(asked);
    const auto holds = co_await tx.many<std::int64_t>(sql::hold_batches, process, asked_json);
    const std::set<std::int64_t> held(holds.begin(), holds.end());
    const std::vector<DoneJob> failed = failures_in(finished, held);
    const std::set<DoneJob> unfinished = co_await mark_failed(tx, failed);

    Recorded recorded;
    Sorted sorted;
    for (const Finished& run : finished) {
        if (!held.contains(run.lease.batch)) {
            ++recorded.lost;
            continue;
        }
        const DoneJob job{run.lease.batch, run.lease.job};
        if (unfinished.contains(job)) sort(run, recorded, sorted);
        if (run.done) sorted.done.push_back(job);
        if (run.ends_batch) sorted.completed.push_back(run.lease.batch);
    }
    std::erase_if(sorted.done, [&](const DoneJob& job) {
        return std::ranges::find(sorted.completed, job.batch) != sorted.completed.end();
    });
    if (!sorted.scheduled.empty()) {
        const std::string json = to_json(sorted.scheduled);
        co_await tx.exec(sql::schedule_jobs, json);
    }
    if (!sorted.buried.empty()) {
        const std::string json = to_json(sorted.buried);
        co_await tx.exec(sql::bury_jobs, json);
    }
    if (!sorted.done.empty()) {
        const std::string json = to_json(sorted.done);
        co_await tx.exec(sql::mark_done, json);
    }
    if (!sorted.completed.empty()) co_await remove_batches(tx, sorted.completed);
    co_return recorded;
}

Task<std::int64_t> register_process(Tx& tx, std::string name) {
    co_return co_await tx.one<std::int64_t>(sql::register_process, name);
}

Task<bool> renew_heartbeat(Tx& tx, std::int64_t process) {
    const auto renewed = co_await tx.exec(sql::renew_heartbeat, process);
    co_return renewed == 1;
}

// The batches are locked first: what their handlers have completed meanwhile shows to the
// statements that follow.
Task<Rescued> rescue(Tx& tx, std::int64_t dead_after_us, int crashes_max) {
    co_await see_commits(tx);
    co_await tx.exec(sql::remove_dead_processes, dead_after_us);
    const auto orphans = co_await tx.many<std::int64_t>(sql::orphaned_batches);
    Rescued taken;
    if (orphans.empty()) co_return taken;
    const std::string json = to_json(orphans);
    taken.buried = co_await tx.exec(sql::bury_poison_jobs, json, crashes_max);
    taken.rescued = co_await tx.exec(sql::rescue_jobs, json, crashes_max);
    co_await remove_batches(tx, orphans);
    co_return taken;
}

Task<std::int64_t> hand_back(Tx& tx, std::int64_t process, std::string known_json) {
    co_await see_commits(tx);
    co_return co_await release(tx, process, known_json);
}

Task<void> sign_off(Tx& tx, std::int64_t process) {
    co_await see_commits(tx);
    const std::string none = "[]";
    co_await release(tx, process, none);
    co_await tx.exec(sql::remove_process, process);
}

}  // namespace loadstone::jobs::internal
