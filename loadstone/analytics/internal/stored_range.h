#pragma once
// What the column store has of a range of keys.

#include <cstdint>
#include <string>

#include "loadstone/analytics/columns.h"
#include "loadstone/analytics/internal/column_store.h"
#include "loadstone/analytics/internal/day_sums.h"

namespace loadstone::analytics::internal {

struct StoredRange {
    std::string key;
    std::int64_t from = 0, end = 0;
};

// Adds the facts with from <= key < end to `sums`. A table that the store lacks has none, a column
// that it lacks is null. Blocking. Errors: as ColumnStore::query.
void add_stored(ColumnStore& store, const Schema& schema, const StoredRange& range,
                const QueryBounds& bounds, DaySums& sums);

// The rows of a rollup with from <= key < end that differ from its grouping of the store's facts;
// 0 if the store keeps none. Blocking. Errors: as ColumnStore::query.
std::int64_t differing_groups(ColumnStore& store, const FormRollup& rollup,
                              const StoredRange& range, const QueryBounds& bounds);

}  // namespace loadstone::analytics::internal
