#include "loadstone/cache/internal/recomputation_limit.h"

#include <algorithm>

namespace loadstone::cache::internal {

namespace {

// Of the average: it follows at once when questions are faster, and slowly when they are slower,
// for then there may be much else to do.
constexpr double faster_weight = 1.0 / 4, slower_weight = 1.0 / 128;
// A question that waited for something else, a lock or a new connection, counts as so many.
constexpr double outlier = 4;
// If even one at a time is too many for long, the database has become slower for other reasons: the
// measure follows by so much a second.
constexpr double drift = 0.01;

}  // namespace

RecomputationLimit::RecomputationLimit(const RecomputationLimitOptions& options)
    : options_(options), limit_(std::max<std::size_t>(options.max / 4, 1)) {}

void RecomputationLimit::asked(std::chrono::nanoseconds took, std::size_t under_way,
                               Clock::time_point now) {
    const auto ns = static_cast<double>(took.count());
    if (under_way == 0) {
        if (quiet_ns_ == 0) quiet_ns_ = ns;
        const double by = std::min(ns, outlier * quiet_ns_) - quiet_ns_;
        quiet_ns_ += by * (by < 0 ? faster_weight : slower_weight);
        return;
    }
    if (quiet_ns_ == 0) return;
    sum_ns_ += std::min(ns, outlier * quiet_ns_);
    was_used_up_ = was_used_up_ && under_way >= limit_;
    const double slow_ns = options_.slower_max * quiet_ns_ * static_cast<double>(questions_each);
    if (++questions_ >= questions_each || sum_ns_ > slow_ns) decide(now);
}

void RecomputationLimit::decide(Clock::time_point now) {
    const bool is_slow =
        sum_ns_ > options_.slower_max * quiet_ns_ * static_cast<double>(questions_each);
    if (is_slow && limit_ == 1 && decided_at_ != Clock::time_point{}) {
        const std::chrono::duration<double> since = now - decided_at_;
        quiet_ns_ += quiet_ns_ * drift * std::min(since.count(), 1.0);
    }
    if (is_slow)
        lower();
    else if (was_used_up_)
        raise();
    sum_ns_ = 0;
    questions_ = 0;
    was_used_up_ = true;
    decided_at_ = now;
}

void RecomputationLimit::lower() {
    if (limit_ == 1) return;
    too_many_ = limit_;
    tries_after_ = std::min(tries_after_ * 2, tries_after_max);
    tries_in_ = tries_after_;
    limit_ /= 2;
}

void RecomputationLimit::raise() {
    if (limit_ == too_many_) {  // it is borne by now
        too_many_ = 0;
        tries_after_ = std::max<std::size_t>(tries_after_ / 2, 1);
    }
    if (limit_ + 1 == too_many_ && tries_in_ > 0)
        --tries_in_;
    else
        limit_ = std::min(limit_ + 1, options_.max);
}

}  // namespace loadstone::cache::internal
