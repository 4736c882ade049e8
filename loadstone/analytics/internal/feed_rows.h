#pragma once
// Rows of the feed's tables.

#include <cstdint>
#include <string>
#include <vector>

#include "loadstone/analytics/position.h"
#include "loadstone/base/describe.h"

namespace loadstone::analytics::internal {

struct StoredFact {
    std::int64_t seq = 0, form = 0;
    std::vector<std::byte> body;
};
BOOST_DESCRIBE_STRUCT(StoredFact, (), (seq, form, body))

struct FeedState {
    std::string store;
    std::int64_t low = 0, high = 0, seq = 0, as_of = 0, history = 0;
    std::string holder;

    Position position() const { return {low, high, seq}; }
};
BOOST_DESCRIBE_STRUCT(FeedState, (), (store, low, high, seq, as_of, history, holder))

// Of transactions_now.
struct Transactions {
    std::int64_t oldest = 0, next = 0;
};
BOOST_DESCRIBE_STRUCT(Transactions, (), (oldest, next))

}  // namespace loadstone::analytics::internal
