#pragma once
// The server's own routes.

#include <atomic>
#include <string>

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
};

void system_routes(Routes& routes);

}  // namespace loadstone::server::internal
