#pragma once
// ProviderThrottle: how fast one external provider may be asked (a mail domain, an API), learnt
// from its answers. Pure: the clock and the randomness are passed in; one thread at a time.
//
// Rate: AIMD. While the rate is what holds callers back, successes raise it by `increase` a second
// per second; a throttling answer halves it, once per hold, and holds everything until the time
// that the provider named.
//
// Breaker, for failures to reach it at all: closed -> open after `failures_max` in a row; open ->
// half_open when its time is over; half_open lets one probe through: success closes it, failure
// opens it again for twice as long, with jitter so that nodes do not probe in step.

#include <chrono>
#include <cstdint>
#include <optional>

#include "loadstone/base/random.h"

namespace loadstone::admission {

struct ProviderThrottleOptions {
    double rate_min = 0.2;    // a second, > 0
    double rate_max = 200;    // a second; the rate at the start
    double increase = 1;      // how much the rate grows in a second of full use
    std::uint32_t burst = 1;  // how many may go at once after a pause; 1 or more
    std::chrono::nanoseconds hold_default = std::chrono::seconds(5);  // provider named no time
    std::chrono::nanoseconds hold_max = std::chrono::hours(1);
    int failures_max = 5;
    std::chrono::nanoseconds open_min = std::chrono::seconds(1);
    std::chrono::nanoseconds open_max = std::chrono::minutes(2);
    std::chrono::nanoseconds probe_max = std::chrono::seconds(90);  // then a probe counts as lost
};

enum class BreakerState : std::uint8_t { closed, open, half_open };

// What the wait is for.
enum class ThrottledBy : std::uint8_t { nothing, rate, hold, breaker };

struct ProviderDecision {
    ThrottledBy by = ThrottledBy::nothing;
    std::chrono::nanoseconds wait{0};  // ask again then; 0 if allowed

    bool allowed() const noexcept { return by == ThrottledBy::nothing; }
};

class ProviderThrottle {
public:
    using Clock = std::chrono::steady_clock;

    explicit ProviderThrottle(const ProviderThrottleOptions& options);

    // If allowed, one call is under way, and one of the three below follows; what cannot be told
    // (a cancelled call) is left out.
    ProviderDecision acquire(Clock::time_point now);
    void on_success(Clock::time_point now);
    void on_throttled(Clock::time_point now, std::optional<std::chrono::nanoseconds> retry_after);
    void on_failure(Clock::time_point now, Random& random);

    double rate() const noexcept { return rate_; }  // a second
    BreakerState state() const noexcept { return state_; }

private:
    std::chrono::nanoseconds interval() const;
    void open(Clock::time_point now, Random& random);
    void close();

    ProviderThrottleOptions options_;
    double rate_;
    Clock::time_point full_at_{};        // as in Gcra: the burst is whole again from then on
    Clock::time_point limited_until_{};  // callers were held back by the rate until about then
    Clock::time_point held_until_{};

    BreakerState state_ = BreakerState::closed;
    int failures_ = 0;  // in a row
    int openings_ = 0;  // since it was last closed
    Clock::time_point open_until_{};
    Clock::time_point probe_until_{};
};

}  // namespace loadstone::admission
