#pragma once
// What the end of a job means for others: its unique key is free, what it held of limits too, and
// jobs that waited for it come nearer.

#include <cstdint>
#include <string>
#include <vector>

#include "loadstone/jobs/internal/extra.h"
#include "loadstone/jobs/internal/records.h"
#include "loadstone/store/tx.h"

namespace loadstone::jobs::internal {

struct Ended {
    std::int64_t id = 0;
    Extra extra;
    bool is_done = false;  // or a dead letter, cancelled, expired
    std::string result;    // JSON; empty: none
};

// A job whose key is taken while it waits (UniqueWhile::waits) begins.
Task<void> give_unique(Tx& tx, std::string unique_key, std::int64_t job);

// Gives how many jobs became ready or were cancelled by it.
Task<std::int64_t> end_jobs(Tx& tx, std::vector<Ended> ended);

}  // namespace loadstone::jobs::internal
