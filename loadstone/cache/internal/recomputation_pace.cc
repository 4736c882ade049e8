#include "loadstone/cache/internal/recomputation_pace.h"

#include <algorithm>

namespace loadstone::cache::internal {

namespace {

constexpr double weight = 1.0 / 8;  // of the last one in the average
constexpr int deadline_parts = 4;   // of which a pause takes one at most

}  // namespace

RecomputationPace::Turn RecomputationPace::next(Clock::time_point waits_since,
                                                Clock::time_point deadline, Clock::time_point now) {
    const auto latest =
        std::min(waits_since + options_.patience, now + (deadline - now) / deadline_parts);
    const auto begin = std::max(now, std::min(free_at_, latest));
    const std::chrono::duration<double, std::nano> gap(cost_ns_ / options_.share);
    const auto before = std::max(free_at_, begin);
    free_at_ = std::max(before, begin + std::chrono::duration_cast<Clock::duration>(gap));
    return {begin, free_at_ - before};
}

void RecomputationPace::give_back(const Turn& turn) { free_at_ -= turn.booked; }

void RecomputationPace::ended(std::chrono::nanoseconds used) {
    const auto own = static_cast<double>(used.count());
    cost_ns_ = cost_ns_ == 0 ? own : cost_ns_ + (own - cost_ns_) * weight;
}

}  // namespace loadstone::cache::internal
