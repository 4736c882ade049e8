#pragma once
// The generic cell rate algorithm (ATM Forum TM 4.0 4.4.2, "virtual scheduling"): a token bucket
// of `burst` tokens that refills one token per `interval`, kept as a single instant, the
// theoretical arrival time: when the bucket will be full again. Pure: the clock is passed in.

#include <chrono>
#include <cstdint>

namespace loadstone::admission {

struct Decision {
    bool allowed = false;
    std::uint32_t remaining = 0;              // actions that would be allowed now
    std::chrono::nanoseconds retry_after{0};  // until one is allowed; 0 if one is
    std::chrono::nanoseconds reset_after{0};  // until the full burst is there again
};

struct GcraRate {
    using Clock = std::chrono::steady_clock;

    std::chrono::nanoseconds interval;  // between two actions at the sustained rate, > 0
    std::uint32_t burst;                // > 0

    // `limit` actions per `period`, rounded so that the rate is never exceeded.
    static constexpr GcraRate per(std::uint32_t limit, std::chrono::nanoseconds period,
                                  std::uint32_t burst_size) {
        const auto count = static_cast<std::int64_t>(limit);
        return {std::chrono::nanoseconds((period.count() + count - 1) / count), burst_size};
    }
};

// One key's state. A new key starts with a full burst.
struct Gcra {
    std::chrono::steady_clock::time_point full_at{};  // the bucket is full from then on

    Decision check(const GcraRate& rate, std::chrono::steady_clock::time_point now) noexcept {
        const auto tolerance = rate.interval * rate.burst;
        const auto full = full_at > now ? full_at : now;  // an idle bucket does not overfill
        const auto next = full + rate.interval;
        const auto over = next - now - tolerance;
        const bool allowed = over <= std::chrono::nanoseconds(0);
        if (allowed) full_at = next;
        const auto debt = (allowed ? next : full) - now;
        Decision decision;
        decision.allowed = allowed;
        decision.remaining = static_cast<std::uint32_t>((tolerance - debt) / rate.interval);
        decision.reset_after = debt;
        const auto wait = debt + rate.interval - tolerance;
        if (wait > std::chrono::nanoseconds(0)) decision.retry_after = wait;
        return decision;
    }
};

}  // namespace loadstone::admission
