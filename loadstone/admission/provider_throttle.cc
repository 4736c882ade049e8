#include "loadstone/admission/provider_throttle.h"

#include <algorithm>
#include <cmath>

#include "loadstone/base/assert.h"

namespace loadstone::admission {

using std::chrono::nanoseconds;

ProviderThrottle::ProviderThrottle(const ProviderThrottleOptions& options)
    : options_(options), rate_(options.rate_max) {
    LOADSTONE_ASSERT(options.rate_min > 0 && options.rate_min <= options.rate_max &&
                         options.burst > 0 && options.failures_max > 0 &&
                         options.open_min.count() > 0 && options.open_min <= options.open_max,
                     "rates and times of a provider are positive, and minima below maxima");
}

nanoseconds ProviderThrottle::interval() const {
    return nanoseconds(static_cast<std::int64_t>(1e9 / rate_));
}

ProviderDecision ProviderThrottle::acquire(Clock::time_point now) {
    if (state_ == BreakerState::open) {
        if (now < open_until_) return {ThrottledBy::breaker, open_until_ - now};
        state_ = BreakerState::half_open;
        probe_until_ = now;  // no probe is under way
    }
    if (state_ == BreakerState::half_open && now < probe_until_) {
        return {ThrottledBy::breaker, std::min(options_.open_min, nanoseconds(probe_until_ - now))};
    }
    if (now < held_until_) return {ThrottledBy::hold, held_until_ - now};

    const nanoseconds step = interval();
    const auto next = std::max(full_at_, now) + step;
    const nanoseconds over = next - now - step * options_.burst;
    if (over > nanoseconds(0)) {
        limited_until_ = now + over + step;
        return {ThrottledBy::rate, over};
    }
    full_at_ = next;
    if (state_ == BreakerState::half_open) probe_until_ = now + options_.probe_max;
    return {};
}

void ProviderThrottle::on_success(Clock::time_point now) {
    close();
    // A rate that nobody used up says nothing about what the provider would take.
    if (now <= limited_until_ && now >= held_until_) {
        // At rates below 1 a single answer stands for many seconds: it at most doubles the rate.
        const double growth = std::min(options_.increase / rate_, rate_);
        rate_ = std::min(options_.rate_max, rate_ + growth);
    }
}

void ProviderThrottle::on_throttled(Clock::time_point now, std::optional<nanoseconds> retry_after) {
    close();  // it can be reached
    // Answers to calls that were under way when the hold began tell nothing new.
    if (now >= held_until_) rate_ = std::max(options_.rate_min, rate_ / 2);
    const nanoseconds hold =
        std::clamp(retry_after.value_or(options_.hold_default), nanoseconds(0), options_.hold_max);
    held_until_ = std::max(held_until_, now + hold);
    full_at_ = std::max(full_at_, held_until_ + interval() * (options_.burst - 1));
}

void ProviderThrottle::on_failure(Clock::time_point now, Random& random) {
    ++failures_;
    if (state_ == BreakerState::half_open ||
        (state_ == BreakerState::closed && failures_ >= options_.failures_max)) {
        open(now, random);
    }
}

void ProviderThrottle::open(Clock::time_point now, Random& random) {
    const double doubled =
        std::ldexp(static_cast<double>(options_.open_min.count()), std::min(openings_++, 60));
    const double whole = std::min(doubled, static_cast<double>(options_.open_max.count()));
    const double half_of_it_jitter = whole * (0.5 + 0.5 * random.uniform());
    open_until_ = now + nanoseconds(static_cast<std::int64_t>(half_of_it_jitter));
    state_ = BreakerState::open;
}

void ProviderThrottle::close() {
    state_ = BreakerState::closed;
    failures_ = 0;
    openings_ = 0;
}

}  // namespace loadstone::admission
