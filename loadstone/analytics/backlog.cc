#include "loadstone/analytics/backlog.h"

#include <algorithm>
#include <utility>

#include "loadstone/analytics/sql.h"
#include "loadstone/base/log.h"
#include "loadstone/store/context_store.h"

namespace loadstone::analytics {

namespace {

struct Look {
    std::int64_t as_of = 0, waiting = 0;
};
BOOST_DESCRIBE_STRUCT(Look, (), (as_of, waiting))

}  // namespace

Task<std::int64_t> facts_waiting(Reader reader) {
    const auto look = co_await reader.one<Look>(sql::backlog);
    co_return look.waiting;
}

Backlog::Backlog(Recorder& recorder, std::chrono::milliseconds lag_max,
                 telemetry::Registry& registry)
    : recorder_(recorder), lag_max_(lag_max), registry_(registry) {
    registry.gauge(this, "loadstone_analytics_facts_waiting", "",
                   "Facts that are not in the column store yet, about",
                   [this] { return static_cast<double>(recorder_.waiting()); });
    registry.gauge(this, "loadstone_analytics_lag_seconds", "",
                   "How old the state is that the column store shows",
                   [this] { return static_cast<double>(lag().count()) / 1e6; });
    registry.gauge(this, "loadstone_analytics_late", "",
                   "1 while the column store's state is older than analytics.lag_max_ms",
                   [this] { return is_late() ? 1.0 : 0.0; });
}

Backlog::~Backlog() { registry_.remove_gauges(this); }

void Backlog::note_shown(std::int64_t as_of) {
    std::int64_t known = as_of_;
    while (known < as_of && !as_of_.compare_exchange_weak(known, as_of)) {
    }
}

std::chrono::microseconds Backlog::lag() const {
    const std::int64_t as_of = as_of_;
    if (as_of == 0 && recorder_.waiting() == 0) return std::chrono::microseconds(0);
    const std::int64_t since = as_of == 0 ? began_.micros : as_of;
    return std::chrono::microseconds(std::max<std::int64_t>(0, Timestamp::now().micros - since));
}

std::string Backlog::held_by() const {
    const std::lock_guard lock(mutex_);
    return held_by_;
}

Task<void> Backlog::measure(Context& context) {
    const std::int64_t clock = Timestamp::now().micros;
    Reader reader = context.reader();
    const auto look = co_await reader.one<Look>(sql::backlog);
    recorder_.set_waiting(look.waiting);
    note_shown(look.waiting == 0 ? clock : look.as_of);
    co_await look_for_lateness(context);
}

// Told once, until it has caught up.
Task<void> Backlog::look_for_lateness(Context& context) {
    const auto late_by = lag();
    if (late_by <= lag_max_) {
        if (is_late_.exchange(false))
            log::info("the column store's state is within analytics.lag_max_ms again");
        co_return;
    }
    if (is_late_) co_return;
    Reader reader = context.reader();
    const auto oldest = co_await reader.one<std::string>(sql::oldest_transaction);
    {
        const std::lock_guard lock(mutex_);
        held_by_ = oldest;
    }
    is_late_ = true;
    log::warning("the column store's state is older than analytics.lag_max_ms",
                 {{"lag_s", late_by.count() / 1'000'000},
                  {"waiting", recorder_.waiting()},
                  {"oldest_transaction", oldest}});
}

}  // namespace loadstone::analytics
