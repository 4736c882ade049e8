#include "loadstone/runtime/internal/watchdog.h"

#include <pthread.h>

#include <algorithm>

#include "loadstone/base/log.h"

namespace loadstone::runtime::internal {

Watchdog::Watchdog(std::vector<Watched> loops, std::chrono::milliseconds blocked_after)
    : loops_(std::move(loops)), blocked_after_(blocked_after) {}

Watchdog::~Watchdog() { stop(); }

void Watchdog::start() {
    thread_ = std::thread([this] { run(); });
}

void Watchdog::stop() {
    {
        std::lock_guard lock(mutex_);
        stop_ = true;
    }
    stopped_.notify_all();
    if (thread_.joinable()) thread_.join();
}

void Watchdog::run() {
    pthread_setname_np(pthread_self(), "watchdog");
    // Four looks per limit: a blockage is reported at most a quarter of the limit late.
    const auto interval = std::max(blocked_after_ / 4, std::chrono::milliseconds(1));
    std::unique_lock lock(mutex_);
    while (!stopped_.wait_for(lock, interval, [this] { return stop_; })) {
        for (std::size_t i = 0; i < loops_.size(); ++i) look(static_cast<int>(i), loops_[i]);
    }
}

void Watchdog::look(int index, Watched& loop) const {
    const std::uint64_t held_since = loop.meter->held_since();
    if (held_since == 0 || held_since == loop.reported) return;
    const std::uint64_t now = telemetry::tsc();
    if (now < held_since) return;
    const std::chrono::nanoseconds held(telemetry::tsc_to_ns(now - held_since));
    if (held < blocked_after_) return;
    const char* holder = loop.meter->holder();
    if (loop.meter->held_since() != held_since) return;  // it ended while we looked
    loop.reported = held_since;
    loop.blocked->add();
    const std::string_view by = *holder == '\0' ? "work without a span" : holder;
    log::warning("loop blocked",
                 {{"loop", index},
                  {"by", by},
                  {"ms", std::chrono::duration_cast<std::chrono::milliseconds>(held).count()}});
}

}  // namespace loadstone::runtime::internal
