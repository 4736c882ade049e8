#pragma once
// The runner's transactions, each a command: claim, record what became of jobs, heartbeat, rescue.
// How they keep out of each other's way: docs/internals/jobs.md.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "loadstone/base/json.h"
#include "loadstone/jobs/internal/extra.h"
#include "loadstone/jobs/internal/limits.h"
#include "loadstone/jobs/internal/loans.h"
#include "loadstone/jobs/job.h"
#include "loadstone/jobs/retry_policy.h"

namespace loadstone::jobs::internal {

// A job as it stands in a table or a batch. Times in microseconds.
struct StoredJob {
    std::int64_t id = 0;
    std::string queue, partition_key;
    int priority = 0;
    std::string kind, arguments;
    std::string idempotency_key;  // empty: made of id and enqueued_at
    std::string cause;
    std::int64_t enqueued_at = 0;
    std::int64_t run_at = 0;
    int attempt = 0;  // failures so far
    int crashes = 0;
    std::string last_error;
    std::string extra;  // internal/extra.h
};
BOOST_DESCRIBE_STRUCT(StoredJob, (),
                      (id, queue, partition_key, priority, kind, arguments, idempotency_key, cause,
                       enqueued_at, run_at, attempt, crashes, last_error, extra))

// What to claim of one lane: up to `count` jobs of `kinds_json` behind `cursor`; of all lanes of
// the queue `queue_count` at most.
struct LaneClaim {
    std::string queue, partition_key;
    int priority = 0;
    std::int64_t cursor = 0;
    std::string kinds_json;
    std::int64_t count = 0;
    std::int64_t queue_count = 0;
    bool is_sweep = false;  // from further to the front than usual
};

// What came of it.
struct LaneResult {
    std::int64_t asked = 0;  // for how many, as the limits and the queue's room allowed
    std::int64_t got = 0;
    std::int64_t last_seq = 0;     // where the last of them stood
    bool is_full = false;          // nothing is allowed before others have ended
    std::int64_t retry_in_us = 0;  // nothing is allowed before that
    bool is_closed = false;        // the queue is paused, or the process declared dead
};
BOOST_DESCRIBE_STRUCT(LaneResult, (), (asked, got, last_seq, is_full, retry_in_us, is_closed))

using SharedExtra = std::shared_ptr<const Extra>;

// One that a claim has taken. What holds just what all of its lane do, and has nothing else, shares
// that: its own `extra` is empty.
struct ClaimedJob : StoredJob {
    SharedExtra held;          // null: it is in `extra`, if there is any
    SharedLent lent;           // null: it has places of no loan
    bool has_expired = false;  // it is dropped, whatever its claim's time says
};

// `now`: by the database's clock.
inline bool has_expired(const StoredJob& job, const Extra& extra, std::int64_t now) {
    return extra.expires_after > 0 && now > job.enqueued_at + extra.expires_after;
}

struct InsertedBatch {
    std::int64_t id = 0, claimed_at = 0;
};
BOOST_DESCRIBE_STRUCT(InsertedBatch, (), (id, claimed_at))

// Jobs that a process has taken together, and holds until all have ended. Of one queue. Its row is
// known when the claim is committed.
struct Batch {
    std::shared_ptr<const std::vector<InsertedBatch>> row;
    std::vector<ClaimedJob> jobs;

    std::int64_t id() const { return row->at(0).id; }
    std::int64_t claimed_at() const { return row->at(0).claimed_at; }
};

// Those of one lane, which come together, mostly hold the same: it is read once.
class ExtraReader {
public:
    // Null: it cannot be read, for last_error().
    SharedExtra read(const std::string& text);
    const std::string& last_error() const noexcept { return last_error_; }

private:
    std::string last_text_, last_error_;
    SharedExtra last_;
};

// A job that a process holds, with its extra read.
struct HeldJob {
    StoredJob stored;         // its extra may be empty: it stands beside it
    SharedExtra extra;        // never null
    SharedLent lent;          // null: nothing
    bool is_readable = true;  // or its extra was not, and is empty

    StoredJob to_store() const;
};
using SharedJob = std::shared_ptr<const HeldJob>;

SharedJob held_job(ClaimedJob job, ExtraReader& reader);

// One finished run.
struct Finished {
    Lease lease;
    SharedJob job;
    bool done = false;
    bool ends_batch = false;  // the last one of it
    bool is_dropped = false;  // cancelled or expired: it ends without being done
    bool was_noted = false;   // steps, progress or a cancellation of it are stored
    std::string result;       // for the jobs after it
    Decision decision;        // where neither done nor dropped
    std::string error;
    bool may_be_recorded = false;  // it was tried, and the answer may have been lost
    bool gave_back = false;        // what it had of loans
};

using FinishedRuns = std::shared_ptr<const std::vector<Finished>>;

// What became of jobs that failed.
struct Fates {
    std::uint64_t retried = 0, snoozed = 0, buried = 0;
};

// What became of a number of finished runs.
struct Recorded {
    std::map<std::string, Fates> fates;  // by kind
    std::uint64_t lost = 0;              // the lease was: nothing is recorded
    std::int64_t unblocked = 0;          // jobs that waited for some of them
    Released released;                   // what they held of limits
    // Of whole batches: those that were held until then, which is known when it is committed.
    std::shared_ptr<const std::vector<std::int64_t>> ended;

    std::uint64_t lost_of(const std::vector<Finished>& runs) const;
};
BOOST_DESCRIBE_STRUCT(Recorded, (), (lost, unblocked))

// Jobs of processes whose heartbeat is too old.
struct Rescued {
    std::uint64_t rescued = 0, buried = 0;
    std::map<std::string, Fates> fates;  // by kind
    bool is_all = true;                  // or there may be more
    Released released;                   // what was lent to them
};
BOOST_DESCRIBE_STRUCT(Rescued, (), (rescued, buried, is_all))

// A result for each lane asked for, in their order.
struct Claimed {
    std::vector<LaneResult> lanes;
    std::vector<Batch> batches;
};
BOOST_DESCRIBE_STRUCT(Claimed, (), (lanes))

struct LoansChanged {
    Released released;  // those that became smaller, and what ran before
};
BOOST_DESCRIBE_STRUCT(LoansChanged, (), ())

using SharedLimits = std::shared_ptr<const LimitBook>;
using LaneClaims = std::shared_ptr<const std::vector<LaneClaim>>;

// At most `total` jobs. The lanes of a queue stand together, in the order of their precedence.
// `loans`: of this process; null: it has none.
Task<Claimed> claim(Tx& tx, std::int64_t process, LaneClaims asked, std::int64_t total,
                    SharedLimits limits, SharedClaimLoans loans);
// Loans of a process become what is asked.
Task<LoansChanged> change_loans(Tx& tx, std::int64_t process, SharedLimits limits,
                                SharedLoanChanges changes);
// Scheduled jobs whose time has come become ready, at most `count`; gives how many.
Task<std::int64_t> ready_due_jobs(Tx& tx, std::int64_t count);
Task<Recorded> record(Tx& tx, std::int64_t process, FinishedRuns runs);
Task<std::int64_t> register_process(Tx& tx, std::string name);
// False: this process has been declared dead.
Task<bool> renew_heartbeat(Tx& tx, std::int64_t process);
// Removes processes whose heartbeat is too old and makes their jobs ready.
Task<Rescued> rescue(Tx& tx, std::int64_t dead_after_us, int crashes_max);
// A claim whose commit was not told may have happened: makes ready what `process` holds beside the
// batches in `known_json`, a list of ids. Gives how many jobs.
Task<std::int64_t> hand_back(Tx& tx, std::int64_t process, std::string known_json);
Task<void> sign_off(Tx& tx, std::int64_t process);
// What operators do (admin.h): jobs that wait are dropped. `were_noted`: something stands under
// their ids, as where they waited for others. The transaction sees commits.
Task<void> drop(Tx& tx, std::vector<StoredJob> jobs, bool were_noted);

// Of jobs in `ids_json` whose cancellation was asked for while they ran, those that wait now are
// dropped: their runs ended before it was known. Gives how many.
Task<std::int64_t> drop_cancelled(Tx& tx, std::string ids_json);

// The job as it is put back to run again: no longer holding places of limits, except where it is in
// order; those go into `released`.
StoredJob to_run_again(StoredJob job, Places& released);

}  // namespace loadstone::jobs::internal
