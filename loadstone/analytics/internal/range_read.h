#pragma once
// What the store must hold of a range of keys at the feed's position, as the module's tables tell
// it (back_fill.h).

#include <cstdint>
#include <string>

#include "loadstone/analytics/facts.h"
#include "loadstone/analytics/position.h"

namespace loadstone::analytics::internal {

// Facts behind the position; with more a range waits until they have been carried.
inline constexpr std::int64_t range_waiting_max = 10'000;

struct RangeRead {
    std::int64_t from = 0, end = 0;  // keys
    std::int64_t last_key = 0;       // of the tables
    std::int64_t facts = 0;
    // Of `facts`: for each a 0 (its schema, the only one) and its bytes, as in a batch.
    std::string rows{};
    bool is_too_large = false;  // beyond `bytes_max`: the rest was not kept
    // The feed has moved on, or too much waits behind it: later.
    bool is_late = false;
};

struct RangeQuestion {
    const FactTable* table = nullptr;  // outlives it
    Position position;
    std::int64_t from = 0, end = 0;
    std::size_t bytes_max = 0;
};

// Reads in one snapshot, and writes nothing. `answer` is made anew each time that it runs.
Task<void> read_range(Tx& tx, RangeQuestion question, RangeRead* answer);

}  // namespace loadstone::analytics::internal
