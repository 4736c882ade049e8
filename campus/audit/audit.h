#pragma once
// audit: what was done by whom, appended in the transaction that did it, never changed.

#include <cstdint>
#include <string>
#include <vector>

#include "loadstone/base/describe.h"
#include "loadstone/base/function_ref.h"
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
loadstone::Task<void> append(loadstone::Tx& tx, std::int64_t user, const char* action,
                             std::string detail, std::string address);

// What happened before, for `campus seed`.
struct PastEvent {
    std::int64_t user_id = 0;
    std::string action, detail, address;
    loadstone::Timestamp happened_at;
};
BOOST_DESCRIBE_STRUCT(PastEvent, (), (user_id, action, detail, address, happened_at))
loadstone::Task<void> seed_events(loadstone::Tx& tx, std::vector<PastEvent> events);

struct Entry {
    std::int64_t id = 0;
    std::string action, detail, address;
    loadstone::Timestamp happened_at;
};
BOOST_DESCRIBE_STRUCT(Entry, (), (id, action, detail, address, happened_at))

// Of one user's log what happened in [from, to).
struct Period {
    std::int64_t user = 0;
    loadstone::Timestamp from, to;
};

// Behind an entry in the order of time; {from, 0}: before the first.
struct Place {
    loadstone::Timestamp happened_at;
    std::int64_t id = 0;
};

// Oldest first, those behind `after`, `limit` at most; gives how many there were.
loadstone::Task<std::uint64_t> each_entry(loadstone::Reader reader, Period period, Place after,
                                          int limit,
                                          loadstone::FunctionRef<void(const Entry&)> sink);
loadstone::Task<std::int64_t> count_entries(loadstone::Reader reader, Period period);

}  // namespace campus::audit
