#pragma once
// The server's own routes.

#include <atomic>
#include <chrono>
#include <mutex>
#include <optional>
#include <string>

#include "loadstone/base/error.h"
#include "loadstone/net/route.h"
#include "loadstone/server/config.h"
#include "loadstone/store/database.h"
#include "loadstone/telemetry/registry.h"

namespace loadstone::server::internal {

// A service: what the system routes answer from.
struct SystemState {
    telemetry::Registry& registry;
    store::Database& database;
    MetricsAccess metrics;
    std::string openapi;
    std::atomic<bool> draining{false};

    // What /readyz last found. It asks the database at most every quarter of a second, and one
    // request at a time, however many clients ask.
    std::mutex mutex;
    std::chrono::steady_clock::time_point checked_at{};
    bool checks = false;
    std::optional<Error> trouble;
};

void system_routes(Routes& routes);

}  // namespace loadstone::server::internal
