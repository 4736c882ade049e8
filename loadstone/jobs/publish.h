#pragma once
// Events: what has happened in a module, told to others. Each subscriber (Handlers::on) gets a job
// of its own, which commits with what the event tells of: the outbox.

#include "loadstone/base/json.h"
#include "loadstone/jobs/handlers.h"
#include "loadstone/store/tx.h"

namespace loadstone::jobs {

Task<void> publish_json(Tx& tx, const std::string& event, std::string arguments);

template <class Event>
Task<void> publish(Tx& tx, const Event& event) {
    std::string json = to_json(event);
    co_await publish_json(tx, internal::kind<Event>(), std::move(json));
}

}  // namespace loadstone::jobs
