#pragma once
// RecomputationLimit: how many views may be computed at once, so that thousands that become invalid
// together leave the database to all others. What others feel is told by the questions that each
// reader of a view asks (Follower): a statement of one row, which takes as long as the database
// makes it wait. As long as that is about what it takes while nothing is computed there may be one
// more at a time; if it takes longer, half as many. How many were too many is known then, and so
// many are tried again only after a while, which doubles each time that it was too slow: else a
// database that bears one at a time would have two of them again and again.
//
// Pure, not thread-safe. Where nothing is asked (SQLite) it stays where it begins: with all of 16
// at once p99 of others was 4 times the quiet one, with a quarter 1.1.

#include <chrono>
#include <cstddef>

namespace loadstone::cache::internal {

struct RecomputationLimitOptions {
    std::size_t max = 16;
    // How many times as long as while nothing is computed a question may take.
    double slower_max = 1.3;
};

class RecomputationLimit {
public:
    using Clock = std::chrono::steady_clock;

    // One decision is made of so many questions; of fewer if they are too slow whatever the rest.
    static constexpr std::size_t questions_each = 8;
    // So many decisions at most until what was too many is tried again: p99 does not show it then.
    static constexpr std::size_t tries_after_max = 256;

    explicit RecomputationLimit(const RecomputationLimitOptions& options);

    // A question took so long, while so many were computed.
    void asked(std::chrono::nanoseconds took, std::size_t under_way, Clock::time_point now);
    // 1 to max; a quarter of it to begin with.
    std::size_t limit() const noexcept { return limit_; }

private:
    void decide(Clock::time_point now);
    void lower();
    void raise();

    const RecomputationLimitOptions options_;
    std::size_t limit_;
    double quiet_ns_ = 0;  // a moving average; 0: not known yet
    double sum_ns_ = 0;
    std::size_t questions_ = 0;
    bool was_used_up_ = true;
    std::size_t too_many_ = 0;     // so many were too slow; 0: none that is known
    std::size_t tries_after_ = 1;  // decisions
    std::size_t tries_in_ = 0;     // decisions that are left of them
    Clock::time_point decided_at_{};
};

}  // namespace loadstone::cache::internal
