#pragma once
// History: a hash of all facts that have been carried, each with its number, in their order. The
// store and the database keep it with the position. Of one position there are as many histories as
// there are lives of the database: one that was put back to an earlier day gives the same numbers
// to other facts. FNV-1a: it tells accidents apart, not forgers.

#include <cstdint>

#include "loadstone/analytics/internal/feed_rows.h"
#include "loadstone/analytics/internal/store_state.h"
#include "loadstone/runtime/task.h"
#include "loadstone/store/reader.h"

namespace loadstone::analytics::internal {

// With one fact more.
std::int64_t next_history(std::int64_t history, const StoredFact& fact);

// That the store is where the database last heard of, or one batch further, whose facts the
// database then still has. Errors: data_loss if it is elsewhere, for good; conflict if another
// server has fed it meanwhile.
Task<void> require_same_past(Reader reader, FeedState noted, StoreState store);

}  // namespace loadstone::analytics::internal
