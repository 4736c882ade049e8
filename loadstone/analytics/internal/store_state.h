#pragma once

#include <cstdint>
#include <string>

#include "loadstone/analytics/position.h"

namespace loadstone::analytics::internal {

struct StoreState {
    std::string store;  // its id: another file, another database is another store
    Position position;
    std::int64_t history = 0;        // of all facts that it has been given (history.h)
    std::int64_t as_of = 0;          // micros; all that had been committed by then is in it
    std::int64_t failed_merges = 0;  // of rollups, since its process was started
    std::int64_t epoch = 0;          // of who fed it last; 0: nobody yet, or a store that has none
};

}  // namespace loadstone::analytics::internal
