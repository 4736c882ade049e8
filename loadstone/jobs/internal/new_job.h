#pragma once
// What is put into the tables for a job that is enqueued.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "loadstone/jobs/handlers.h"
#include "loadstone/jobs/internal/extra.h"
#include "loadstone/store/tx.h"

namespace loadstone::jobs::internal {

struct NewJob {
    const Kind* kind = nullptr;
    std::string partition;
    std::string arguments;
    Extra extra;
};

// When it expires counts from when it should begin. `is_unique`: it is to have a key.
NewJob new_job(const Kind& kind, std::string arguments, std::int64_t delay_us, bool is_unique);
inline NewJob new_job(const Kind& kind, std::string arguments, std::int64_t delay_us) {
    return new_job(kind, std::move(arguments), delay_us, kind.is_unique);
}
Task<std::int64_t> insert(Tx& tx, const NewJob& job);
// For the later one of `delay_us` from now and `at_us` since 1970.
Task<void> schedule(Tx& tx, const NewJob& job, std::int64_t id, std::int64_t delay_us,
                    std::int64_t at_us);
// It waits for `waits_for` others.
Task<void> block(Tx& tx, const NewJob& job, std::int64_t id, std::int64_t waits_for,
                 bool runs_if_failed);

// Many of one kind, which is not unique; `next`, if not 0, waits for each of them.
Task<void> insert_all(Tx& tx, const Kind& kind, std::vector<std::string> arguments,
                      std::int64_t next);

}  // namespace loadstone::jobs::internal
