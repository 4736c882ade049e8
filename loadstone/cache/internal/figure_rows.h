#pragma once
// What is kept of the keys of an aggregate, as rows: its shards are added up, or the greatest or
// least of them counts.

#include <cstdint>
#include <vector>

#include "loadstone/cache/aggregate.h"

namespace loadstone::cache::internal {

// Of a row with all three.
template <class Row>
std::int64_t figure_of(AggregateKind kind, const Row& row) {
    switch (kind) {
        case AggregateKind::sum:
        case AggregateKind::ranked: return row.total;
        case AggregateKind::greatest: return row.most;
        case AggregateKind::least: return row.least;
    }
    return row.total;
}

// In the order of keys; also while it is not built.
Task<std::vector<Figure>> kept_in(Reader reader, const Aggregate& aggregate, KeyRange keys);

// Counts keys that a reader recomputes because the aggregate is not built.
void count_unbuilt(Reader reader, std::uint64_t keys);

}  // namespace loadstone::cache::internal
