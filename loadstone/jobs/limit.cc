#include "loadstone/jobs/limit.h"

#include <algorithm>
#include <cmath>

namespace loadstone::jobs {

namespace {

constexpr int lent_burst_min = 64;  // smaller ones are not worth it

// What the rate allows while starts that were lent may be made.
double kept_back(const Limit& limit) {
    return limit.per_second * std::chrono::duration<double>(starts_lent_for).count();
}

double usable_burst(const Limit& limit) {
    return lends_starts(limit) ? std::floor(limit.burst - kept_back(limit)) : limit.burst;
}

// Microseconds from one start to the next.
double interval_us(const Limit& limit) { return 1e6 / limit.per_second; }

// A clock that has gone back leaves an arrival time that lies too far ahead: no start can be
// further than the burst.
double arrival(const Limit& limit, const LimitState& state, std::int64_t now_us) {
    const auto now = static_cast<double>(now_us);
    const double latest = now + limit.burst * interval_us(limit);
    return std::clamp(static_cast<double>(state.arrival_at), now, latest);
}

// Half a microsecond of grace: the stored time is whole microseconds.
std::int64_t free_starts(const Limit& limit, double ahead_us) {
    const double interval = interval_us(limit);
    const double free = std::floor((usable_burst(limit) * interval - ahead_us + 0.5) / interval);
    return static_cast<std::int64_t>(std::max(0.0, free));
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
    const double ahead = arrival(limit, state, now_us) - static_cast<double>(now_us);
    allowed.count = std::min(allowed.count, free_starts(limit, ahead));
    if (allowed.count == 0)
        allowed.retry_in_us = std::max<std::int64_t>(
            1, std::llround(std::ceil(ahead - (usable_burst(limit) - 1) * interval_us(limit))));
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

bool lends_starts(const Limit& limit) {
    return limit.per_second > 0 && !limit.is_in_order && limit.burst >= lent_burst_min &&
           kept_back(limit) <= limit.burst / 4.0;
}

std::int64_t starts_to_lend(const Limit& limit, const LimitState& state, std::int64_t now_us,
                            std::int64_t wanted) {
    if (!lends_starts(limit)) return 0;
    const double ahead = arrival(limit, state, now_us) - static_cast<double>(now_us);
    const auto half = static_cast<std::int64_t>(std::ceil(usable_burst(limit) / 2));
    return std::clamp<std::int64_t>(free_starts(limit, ahead) - half, 0, wanted);
}

bool lends_places(const Limit& limit, int places_min) {
    return places_min > 0 && limit.running_max >= places_min && !limit.is_in_order;
}

std::optional<std::int64_t> places_to_lend(const Limit& limit, std::int64_t others,
                                           std::int64_t least, std::int64_t wanted) {
    const std::int64_t most = limit.running_max / 2 - std::max<std::int64_t>(0, others);
    if (least > most) return std::nullopt;
    return std::min(wanted, most);
}

}  // namespace loadstone::jobs
