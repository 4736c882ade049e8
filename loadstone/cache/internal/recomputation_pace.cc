#include "loadstone/cache/internal/recomputation_pace.h"

#include <algorithm>

namespace loadstone::cache::internal {

namespace {

constexpr double weight = 1.0 / 8;  // of the last one in the average

}  // namespace

RecomputationPace::Clock::time_point RecomputationPace::next(Clock::time_point waits_since,
                                                             Clock::time_point now) {
    const auto longest = waits_since + options_.patience;
    const auto begin = std::max(now, std::min(free_at_, longest));
    const std::chrono::duration<double, std::nano> gap(cost_ns_ / options_.share);
    free_at_ = begin + std::chrono::duration_cast<Clock::duration>(gap);
    return begin;
}

void RecomputationPace::ended(std::chrono::nanoseconds cpu) {
    const auto own = static_cast<double>(cpu.count());
    cost_ns_ = cost_ns_ == 0 ? own : cost_ns_ + (own - cost_ns_) * weight;
}

}  // namespace loadstone::cache::internal
