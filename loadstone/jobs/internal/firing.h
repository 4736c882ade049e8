#pragma once
// Recurring jobs: each firing is enqueued once, by whichever process is first.

#include <cstddef>
#include <vector>

#include "loadstone/jobs/handlers.h"
#include "loadstone/store/tx.h"

namespace loadstone::jobs::internal {

// A schedule that is new begins now.
Task<void> add_schedules(Tx& tx, std::vector<Recurring> all);
// Of `all`, by index, those that have something to fire by the database's clock.
Task<std::vector<std::size_t>> due_schedules(Reader reader, const std::vector<Recurring>& all);
// Enqueues what is due and says so in the same transaction. Gives how many jobs; none while another
// fires it. Errc::conflict if it would wait for another transaction: it is tried again.
Task<std::int64_t> fire(Tx& tx, Recurring recurring);

}  // namespace loadstone::jobs::internal
