#pragma once
// Which of a row's figures is an aggregate's: its shards are added up, or the greatest or least of
// them counts.

#include <cstdint>

#include "loadstone/cache/aggregate.h"

namespace loadstone::cache::internal {

template <class Row>
std::int64_t figure_of(AggregateKind kind, const Row& row) {
    switch (kind) {
        case AggregateKind::sum: return row.total;
        case AggregateKind::greatest: return row.most;
        case AggregateKind::least: return row.least;
    }
    return row.total;
}

}  // namespace loadstone::cache::internal
