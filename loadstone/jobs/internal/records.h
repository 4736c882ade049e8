#pragma once
// The runner's transactions, each a command: claim, record what became of jobs, heartbeat, rescue.
// How they keep out of each other's way: docs/internals/jobs.md.

#include <cstdint>
#include <string>
#include <vector>

#include "loadstone/base/json.h"
#include "loadstone/jobs/job.h"
#include "loadstone/jobs/retry_policy.h"

namespace loadstone::jobs::internal {

// A job as it stands in a table or a batch. Times in microseconds.
struct StoredJob {
    std::int64_t id = 0;
    std::string queue;
    int priority = 0;
    std::string kind, arguments;
    std::string idempotency_key;  // empty: made of id and enqueued_at
    std::string cause;
    std::int64_t enqueued_at = 0;
    std::int64_t run_at = 0;
    int attempt = 0;  // failures so far
    int crashes = 0;
    std::string last_error;
};
BOOST_DESCRIBE_STRUCT(StoredJob, (),
                      (id, queue, priority, kind, arguments, idempotency_key, cause, enqueued_at,
                       run_at, attempt, crashes, last_error))

// What to claim of one queue and priority: jobs of `kinds_json` behind `cursor`; of all lanes of
// the queue `count` at most.
struct LaneClaim {
    std::string queue;
    int priority = 0;
    std::int64_t cursor = 0;
    std::string kinds_json;
    std::int64_t count = 0;
    bool is_sweep = false;  // from further to the front than usual
};
BOOST_DESCRIBE_STRUCT(LaneClaim, (), (queue, priority, cursor, kinds_json, count, is_sweep))

// Jobs that a process has taken together, and holds until all have ended.
struct Batch {
    std::int64_t id = 0;     // 0: nothing was taken
    std::int64_t asked = 0;  // for how many
    std::vector<StoredJob> jobs;
};
BOOST_DESCRIBE_STRUCT(Batch, (), (id, asked, jobs))

// One finished run.
struct Finished {
    Lease lease;
    StoredJob job;
    bool done = false;
    bool ends_batch = false;  // the last one of it
    Decision decision;        // where not done
    std::string error;
};

// What became of a number of finished runs.
struct Recorded {
    std::uint64_t retried = 0, snoozed = 0, buried = 0;
    std::uint64_t lost = 0;  // the lease was: nothing is recorded
};
BOOST_DESCRIBE_STRUCT(Recorded, (), (retried, snoozed, buried, lost))

// Jobs of processes whose heartbeat is too old.
struct Rescued {
    std::uint64_t rescued = 0, buried = 0;
};
BOOST_DESCRIBE_STRUCT(Rescued, (), (rescued, buried))

// A batch for each lane asked for, in their order.
struct Claimed {
    std::vector<Batch> batches;
};
BOOST_DESCRIBE_STRUCT(Claimed, (), (batches))

// At most `total` jobs.
Task<Claimed> claim(Tx& tx, std::int64_t process, std::vector<LaneClaim> lanes, std::int64_t total);
// Scheduled jobs whose time has come become ready, at most `count`; gives how many.
Task<std::int64_t> ready_due_jobs(Tx& tx, std::int64_t count);
Task<Recorded> record(Tx& tx, std::int64_t process, std::vector<Finished> finished);
Task<std::int64_t> register_process(Tx& tx, std::string name);
// False: this process has been declared dead.
Task<bool> renew_heartbeat(Tx& tx, std::int64_t process);
// Removes processes whose heartbeat is too old and makes their jobs ready.
Task<Rescued> rescue(Tx& tx, std::int64_t dead_after_us, int crashes_max);
// A claim whose commit was not told may have happened: makes ready what `process` holds beside the
// batches in `known_json`, a list of ids. Gives how many jobs.
Task<std::int64_t> hand_back(Tx& tx, std::int64_t process, std::string known_json);
Task<void> sign_off(Tx& tx, std::int64_t process);

}  // namespace loadstone::jobs::internal
