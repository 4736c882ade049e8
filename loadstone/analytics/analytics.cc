#include "loadstone/analytics/analytics.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "loadstone/analytics/internal/answers.h"
#include "loadstone/analytics/internal/column_store.h"
#include "loadstone/base/error.h"

namespace loadstone::analytics {

namespace {

constexpr std::chrono::seconds closed_retry_after{2};

}  // namespace

Analytics::Analytics(const Options& options, telemetry::Registry& registry)
    : options_(options),
      store_(internal::open_store(options)),
      answers_(std::make_unique<internal::Answers>(*store_, options, registry)),
      too_old_(registry.counter("loadstone_analytics_too_old_total", "",
                                "Questions that were refused because the column store's state was "
                                "older than they may be shown")),
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

void Analytics::require_fresh(std::string_view question, const runtime::Freshness& freshness,
                              Timestamp as_of) const {
    using std::chrono::nanoseconds;
    const bool is_bounded = options_.answer_lag_max.count() > 0;
    nanoseconds age_max = is_bounded ? options_.answer_lag_max : nanoseconds::max();
    if (freshness.kind == runtime::Freshness::Kind::within)
        age_max = std::min(age_max, freshness.age_max);
    const nanoseconds age = Timestamp::now() - as_of;
    if (age <= age_max) return;
    too_old_.add();
    const auto seconds_of = [](nanoseconds time) {
        return std::chrono::duration<double>(time).count();
    };
    throw Error(
        Errc::unavailable,
        fmt::format("{}: the column store's state is {:.1f} s old, and {:.1f} s is the most",
                    question, seconds_of(age), seconds_of(age_max)))
        .with_retry_after(closed_retry_after);
}

// The lanes end first, and wait for what they ask.
Analytics::~Analytics() { store_->stop(); }

}  // namespace loadstone::analytics
