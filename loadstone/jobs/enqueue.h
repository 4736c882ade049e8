#pragma once
// tx.enqueue(arguments): a durable job that exists if and only if the transaction commits.

#include <chrono>
#include <cstdint>
#include <string>

#include "loadstone/base/json.h"
#include "loadstone/jobs/handlers.h"
#include "loadstone/store/tx.h"

namespace loadstone::jobs {

// Gives the job's id. The kind must be known to this program (a bug otherwise).
Task<std::int64_t> enqueue_json(Tx& tx, const std::string& kind, std::string arguments,
                                std::chrono::milliseconds delay = std::chrono::milliseconds(0));

}  // namespace loadstone::jobs

namespace loadstone::store {

template <class Arguments>
Task<std::int64_t> Tx::enqueue(const Arguments& arguments) {
    return jobs::enqueue_json(*this, jobs::internal::kind<Arguments>(), to_json(arguments));
}

}  // namespace loadstone::store
