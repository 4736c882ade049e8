#include "loadstone/analytics/analytics.h"

#include "loadstone/analytics/internal/column_store.h"

namespace loadstone::analytics {

Analytics::Analytics(const Options& options, telemetry::Registry& registry)
    : options_(options),
      store_(internal::open_store(options)),
      queries_({.name = "analytics",
                .threads = options.queries_max,
                .queue_max = options.query_queue_max},
               registry),
      exports_({.name = "analytics_exports", .threads = 1, .queue_max = options.query_queue_max},
               registry),
      feeding_({.name = "analytics_feed", .threads = 1, .queue_max = 4}, registry) {}

// The lanes end first, and wait for what they ask.
Analytics::~Analytics() { store_->stop(); }

}  // namespace loadstone::analytics
