#pragma once
// The runner's transactions, each a command: claim, record what became of jobs, heartbeat, rescue.

#include <cstdint>
#include <string>
#include <vector>

#include "loadstone/base/json.h"
#include "loadstone/jobs/job.h"
#include "loadstone/jobs/retry_policy.h"

namespace loadstone::jobs::internal {

struct ClaimedRow {
    std::int64_t id = 0, fence = 0;
    std::string kind, idempotency_key, arguments, cause;
    int attempt = 0, crashes = 0;
    Timestamp enqueued_at;
};
BOOST_DESCRIBE_STRUCT(ClaimedRow, (),
                      (id, fence, kind, idempotency_key, arguments, cause, attempt, crashes,
                       enqueued_at))

struct ClaimedRows {
    std::vector<ClaimedRow> rows;
};
BOOST_DESCRIBE_STRUCT(ClaimedRows, (), (rows))

// One finished run.
struct Finished {
    Lease lease;
    bool done = false;
    Decision decision;  // where not done
    std::string error;
};

// What became of a batch of finished runs.
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

Task<ClaimedRows> claim(Tx& tx, std::int64_t process, std::string kinds_json, std::int64_t count);
Task<Recorded> record(Tx& tx, std::int64_t process, std::vector<Finished> finished);
Task<std::int64_t> register_process(Tx& tx, std::string name);
// False: this process has been declared dead.
Task<bool> renew_heartbeat(Tx& tx, std::int64_t process);
// Removes processes whose heartbeat is too old and makes their jobs claimable.
Task<Rescued> rescue(Tx& tx, std::int64_t dead_after_us, int crashes_max);
// A claim whose commit was not told may have happened: makes claimable what `process` holds beside
// `known_json`, a list of ids. Gives how many jobs.
Task<std::int64_t> hand_back_strays(Tx& tx, std::int64_t process, std::string known_json);
Task<void> sign_off(Tx& tx, std::int64_t process);

}  // namespace loadstone::jobs::internal
