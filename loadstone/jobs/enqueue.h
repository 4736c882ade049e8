#pragma once
// tx.enqueue(arguments): a durable job that exists if and only if the transaction commits.

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "loadstone/base/json.h"
#include "loadstone/jobs/handlers.h"
#include "loadstone/store/tx.h"

namespace loadstone::jobs {

// Gives the job's id. The kind must be known to this program (a bug otherwise).
Task<std::int64_t> enqueue_json(Tx& tx, const std::string& kind, std::string arguments,
                                std::chrono::milliseconds delay = std::chrono::milliseconds(0));

// Many of one kind in one statement, in their order; `arguments` is a JSON array of texts.
Task<void> enqueue_all_json(Tx& tx, const std::string& kind, const std::string& arguments);

// co_await jobs::enqueue_all(tx, reminders); one statement for a thousand as for one.
template <class Arguments>
Task<void> enqueue_all(Tx& tx, const std::vector<Arguments>& all) {
    std::vector<std::string> texts;
    texts.reserve(all.size());
    for (const Arguments& each : all) texts.push_back(to_json(each));
    const std::string json = to_json(texts);
    co_await enqueue_all_json(tx, internal::kind<Arguments>(), json);
}

}  // namespace loadstone::jobs

namespace loadstone::store {

template <class Arguments>
Task<std::int64_t> Tx::enqueue(const Arguments& arguments) {
    return jobs::enqueue_json(*this, jobs::internal::kind<Arguments>(), to_json(arguments));
}

}  // namespace loadstone::store
