#pragma once
// Answers the frames of internal/protocol.h on a Unix socket. As many threads as connections are
// served; further ones wait to be accepted.

#include <cstdint>
#include <string>

#include "loadstone/analytics/duckdb/database.h"
#include "loadstone/analytics/duckdb/export.h"

namespace loadstone::analytics::duckdb {

struct ServiceOptions {
    std::string socket;  // its path; its folder is of this user alone
    ExportOptions exports;
    int connections_max = 16;
    std::int64_t resident_max = 0;  // bytes: Watch
    int ready = 0;                  // a descriptor that gets a byte when connections are taken
};

// Never returns; throws Error if it cannot listen.
[[noreturn]] void serve(Database& database, const ServiceOptions& options);

}  // namespace loadstone::analytics::duckdb
