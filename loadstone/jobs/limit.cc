#include "loadstone/jobs/limit.h"

#include <algorithm>
#include <cmath>

namespace loadstone::jobs {

namespace {

// Microseconds from one start to the next.
double interval_us(const Limit& limit) { return 1e6 / limit.per_second; }

// A clock that has gone back leaves an arrival time that lies too far ahead: no start can be
// further than the burst.
double arrival(const Limit& limit, const LimitState& state, std::int64_t now_us) {
    const auto now = static_cast<double>(now_us);
    const double latest = now + limit.burst * interval_us(limit);
    return std::clamp(static_cast<double>(state.arrival_at), now, latest);
}

}  // namespace

Allowance allowance(const Limit& limit, const LimitState& state, std::int64_t now_us,
                    std::int64_t wanted) {
    Allowance allowed{wanted, 0};
    if (limit.running_max > 0) {
        const std::int64_t free = limit.running_max - state.running;
        allowed.count = std::clamp<std::int64_t>(free, 0, wanted);
        if (allowed.count == 0) return allowed;
    }
    if (limit.per_second <= 0) return allowed;
    const double interval = interval_us(limit);
    const double ahead = arrival(limit, state, now_us) - static_cast<double>(now_us);
    // Half a microsecond of grace: the stored time is whole microseconds.
    const double free = std::floor((limit.burst * interval - ahead + 0.5) / interval);
    const auto starts = static_cast<std::int64_t>(std::max(0.0, free));
    allowed.count = std::min(allowed.count, starts);
    if (allowed.count == 0)
        allowed.retry_in_us = std::max<std::int64_t>(
            1, std::llround(std::ceil(ahead - (limit.burst - 1) * interval)));
    return allowed;
}

LimitState started(const Limit& limit, const LimitState& state, std::int64_t now_us,
                   std::int64_t count) {
    LimitState next = state;
    next.running += count;
    if (limit.per_second > 0) {
        const double at =
            arrival(limit, state, now_us) + static_cast<double>(count) * interval_us(limit);
        next.arrival_at = std::llround(std::ceil(at));
    } else {
        next.arrival_at = now_us;  // says when it was last used
    }
    return next;
}

}  // namespace loadstone::jobs
