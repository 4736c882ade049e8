#pragma once
// log::Throttle: at most one line in each interval, of what may fail a thousand times a second, and
// the number of those left unsaid:
//
//     if (const auto unsaid = complaints_.take(Clock::now()))
//         log::error("writes fail", {{"error", why.message()}, {"unsaid", *unsaid}});

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>

namespace loadstone::log {

class Throttle {
public:
    using Clock = std::chrono::steady_clock;

    explicit Throttle(Clock::duration interval) noexcept : interval_(interval) {}

    // Called for each line. If this one may be said: how many since the last that was said were
    // not. The first may, and each that comes at least `interval` after the last that was said.
    // Any thread.
    std::optional<std::uint64_t> take(Clock::time_point now) noexcept;

private:
    const Clock::duration interval_;
    std::mutex mutex_;
    std::optional<Clock::time_point> said_at_;  // under mutex_
    std::uint64_t unsaid_ = 0;                  // under mutex_
};

}  // namespace loadstone::log
