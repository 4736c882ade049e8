#pragma once
// Events: what has happened in a module, told to others. Each subscriber (Handlers::on) gets a job
// of its own, which commits with what the event tells of: the outbox.

#include "loadstone/base/json.h"
#include "loadstone/jobs/handlers.h"
#include "loadstone/store/tx.h"

namespace loadstone::jobs {

namespace internal {
Task<void> publish_written(Tx& tx, const std::string& event, std::string arguments);
}

template <class Event>
Task<void> publish(Tx& tx, const Event& event) {
    return internal::publish_written(tx, internal::kind<Event>(), to_json(event));
}

}  // namespace loadstone::jobs
