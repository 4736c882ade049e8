#pragma once
// What an operator asks of the queue: list, show, retry.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "loadstone/base/describe.h"
#include "loadstone/store/tx.h"

namespace loadstone::jobs {

struct JobRow {
    std::int64_t id = 0;
    std::string kind;
    std::string state;  // "waiting", "running", "dead"
    int attempt = 0;
    int crashes = 0;
    Timestamp enqueued_at;
    Timestamp run_at;  // dead: when it was buried
    std::string last_error;
    std::string cause;
    std::string arguments;
    std::string idempotency_key;
};
BOOST_DESCRIBE_STRUCT(JobRow, (),
                      (id, kind, state, attempt, crashes, enqueued_at, run_at, last_error, cause,
                       arguments, idempotency_key))

// Newest first; `state` or `kind` empty: all. `before`: only smaller ids (keyset), 0: from the
// newest.
Task<std::vector<JobRow>> list_jobs(Reader reader, std::string state, std::string kind,
                                    std::int64_t before, int limit);
Task<std::optional<JobRow>> job_by_id(Reader reader, std::int64_t id);
// A dead job is put back with its attempts at 0; a waiting one is made due now. False: no such
// job, or it is running.
Task<bool> retry_job(Tx& tx, std::int64_t id);

}  // namespace loadstone::jobs
