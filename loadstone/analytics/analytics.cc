#include "loadstone/analytics/analytics.h"

#include "loadstone/analytics/internal/store_client.h"
#include "loadstone/analytics/internal/store_process.h"

namespace loadstone::analytics {

Analytics::Analytics(const Options& options, telemetry::Registry& registry)
    : options_(options),
      process_(std::make_unique<internal::StoreProcess>(options)),
      client_(std::make_unique<internal::StoreClient>(options.socket)),
      queries_({.name = "analytics",
                .threads = options.queries_max,
                .queue_max = options.query_queue_max},
               registry),
      exports_({.name = "analytics_exports", .threads = 1, .queue_max = options.query_queue_max},
               registry),
      feeding_({.name = "analytics_feed", .threads = 1, .queue_max = 4}, registry) {}

Analytics::~Analytics() = default;

}  // namespace loadstone::analytics
