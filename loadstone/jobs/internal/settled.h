#pragma once
// What becomes of jobs that a process has held, and where it is written; of their records
// (outcomes.cc) and their rescue (rescue.cc).

#include <set>
#include <string>
#include <vector>

#include "loadstone/jobs/internal/ends.h"
#include "loadstone/jobs/internal/limits.h"
#include "loadstone/jobs/internal/records.h"

namespace loadstone::jobs::internal {

struct DoneJob {
    std::int64_t batch = 0, job = 0;

    auto operator<=>(const DoneJob&) const = default;
};
BOOST_DESCRIBE_STRUCT(DoneJob, (), (batch, job))

struct Mark {
    std::int64_t batch = 0, job = 0;
    int is_settled = 0;
    std::string result;
};
BOOST_DESCRIBE_STRUCT(Mark, (), (batch, job, is_settled, result))

// What of the outcomes goes where.
struct Settled {
    std::vector<StoredJob> scheduled, buried;
    std::vector<DoneJob> done;            // of batches that go on
    std::vector<std::int64_t> completed;  // batches of which nothing runs any more
    std::vector<Ended> ended;             // whose end concerns others
    Places released;                      // of limits
};

// A job ends: what it holds and whom it concerns goes into `settled`.
void end(std::int64_t job, const Extra& extra, bool is_done, bool was_noted, std::string result,
         Settled& settled);
void bury(StoredJob job, bool was_noted, Settled& settled);
Task<void> store(Tx& tx, const Settled& settled);

}  // namespace loadstone::jobs::internal
