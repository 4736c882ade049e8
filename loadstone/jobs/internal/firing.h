#pragma once
// Recurring jobs: each firing is enqueued once, by whichever process is first.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "loadstone/base/json.h"
#include "loadstone/jobs/handlers.h"
#include "loadstone/store/tx.h"

namespace loadstone::jobs::internal {

// A schedule that is new, or has another expression than before, begins now.
Task<void> add_schedules(Tx& tx, std::vector<Recurring> all);
// Of `all`, by index, those that have something to fire by the database's clock, or have fired in
// what is now the future.
Task<std::vector<std::size_t>> due_schedules(Reader reader, const std::vector<Recurring>& all);
struct Fired {
    std::int64_t jobs = 0;
    std::int64_t was_ahead_us = 0;  // it had fired so far in the future, and begins anew now
};
BOOST_DESCRIBE_STRUCT(Fired, (), (jobs, was_ahead_us))

// Enqueues what is due and says so in the same transaction; nothing while another fires it.
// Errc::conflict if it would wait for another transaction: it is tried again.
Task<Fired> fire(Tx& tx, Recurring recurring);

}  // namespace loadstone::jobs::internal
