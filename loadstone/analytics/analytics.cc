#include "loadstone/analytics/analytics.h"

#include <utility>

#include "loadstone/analytics/internal/column_store.h"
#include "loadstone/base/error.h"

namespace loadstone::analytics {

namespace {

constexpr std::chrono::seconds closed_retry_after{2};

}  // namespace

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

void Analytics::open() { close({}); }

void Analytics::close(std::string why) {
    const std::lock_guard lock(mutex_);
    closed_because_ = std::move(why);
}

void Analytics::require_open() const {
    const std::lock_guard lock(mutex_);
    if (!closed_because_.empty())
        throw Error(Errc::unavailable, closed_because_).with_retry_after(closed_retry_after);
}

// The lanes end first, and wait for what they ask.
Analytics::~Analytics() { store_->stop(); }

}  // namespace loadstone::analytics
