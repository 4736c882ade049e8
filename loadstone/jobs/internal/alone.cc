#include "loadstone/jobs/internal/alone.h"

#include <algorithm>

namespace loadstone::jobs::internal {

Alone::Turn Alone::turn(const State& state, Clock::time_point now, double jitter) {
    if (runs_) {
        if (!state.is_empty) return Turn::nobody;
        rest(now);
    }
    if (!state.suspect_waits) {
        drains_at_.reset();
        return Turn::others;
    }
    const bool rests = now < rests_to_;
    if (state.is_empty && (!state.others_wait || !rests)) {
        held_up_since_ = drains_at_ ? std::min(*drains_at_, now) : now;
        return Turn::suspect;
    }
    return rests ? Turn::others : drain(now, jitter);
}

Alone::Turn Alone::drain(Clock::time_point now, double jitter) {
    if (!drains_at_)
        drains_at_ =
            now + patience + std::chrono::duration_cast<Clock::duration>(jitter * patience);
    if (now < *drains_at_) return Turn::others;
    if (now < *drains_at_ + drain_for_) return Turn::nobody;
    held_up_since_ = *drains_at_;
    drain_for_ = std::min(2 * drain_for_, drain_max);
    rest(now);
    return Turn::others;
}

void Alone::claimed(bool has_one, Clock::time_point now) {
    runs_ = has_one;
    if (has_one) {
        drain_for_ = drain_first;
    } else {
        rest(now);
    }
}

void Alone::rest(Clock::time_point now) {
    runs_ = false;
    drains_at_.reset();
    rests_to_ = now + std::max<Clock::duration>(rest_min, rest_share * (now - held_up_since_));
}

std::optional<Alone::Clock::time_point> Alone::next_change(Clock::time_point now) const {
    if (rests_to_ > now) return rests_to_;
    if (!drains_at_) return std::nullopt;
    return *drains_at_ > now ? *drains_at_ : *drains_at_ + drain_for_;
}

}  // namespace loadstone::jobs::internal
