#pragma once
// audit: what was done by whom, appended in the transaction that did it, never changed.

#include <cstdint>
#include <string>

#include "loadstone/module/module.h"

namespace campus::audit {

loadstone::Module module();

struct Event {
    std::int64_t user = 0;  // whose log it appears in
    std::string action;     // "account.created"
    std::string detail;     // a short sentence, no secrets
    std::string address;    // of the client, empty if none
};

// Part of the caller's transaction.
loadstone::Task<void> append(loadstone::Tx& tx, Event event);

}  // namespace campus::audit
