#pragma once
// RecomputationPace: when the next view may begin to be computed, so that recomputation has no more
// than a share of a loop's time while requests want it. After a computation that used 1 ms the
// next one begins 4 ms after it had begun, if the share is a quarter. Who has waited long enough
// begins without a pause, and nobody pauses for more than a quarter of what is left of its
// deadline: the rest is to compute in.
//
// Pure, not thread-safe. Of one loop.

#include <chrono>

namespace loadstone::cache::internal {

struct RecomputationPaceOptions {
    double share = 0.25;                      // above 0; 1: no pauses
    std::chrono::milliseconds patience{250};  // the longest that pauses hold up one who waits
};

class RecomputationPace {
public:
    using Clock = std::chrono::steady_clock;

    explicit RecomputationPace(const RecomputationPaceOptions& options) : options_(options) {}

    struct Turn {
        Clock::time_point begin;
        Clock::duration booked{};  // by how much others begin later for it
    };

    // Who asks is next, and has waited since then: when to begin, `now` or later.
    Turn next(Clock::time_point waits_since, Clock::time_point deadline, Clock::time_point now);
    // It did not begin.
    void give_back(const Turn& turn);
    // A computation used so much of the loop's time: what it waits for, lanes too, is not of it.
    void ended(std::chrono::nanoseconds used);

private:
    const RecomputationPaceOptions options_;
    double cost_ns_ = 0;  // a moving average; 0: none has ended
    Clock::time_point free_at_{};
};

}  // namespace loadstone::cache::internal
