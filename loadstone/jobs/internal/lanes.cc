#include "loadstone/jobs/internal/lanes.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

namespace loadstone::jobs::internal {

Lanes::Lanes(const std::vector<std::unique_ptr<Kind>>& kinds) {
    std::map<std::string, std::vector<std::string>> by_queue;
    for (const auto& kind : kinds) by_queue[kind->queue].push_back(kind->name);
    for (auto& [queue, names] : by_queue)
        queues_.push_back({queue, names, to_json(names), to_json(names)});
    for (const auto& kind : kinds) learn(kind->queue, kind->policy.priority);
}

Lanes::Lane* Lanes::find(const std::string& queue, int priority) noexcept {
    const auto found = std::ranges::find_if(
        lanes_, [&](const Lane& lane) { return lane.priority == priority && lane.queue == queue; });
    return found == lanes_.end() ? nullptr : &*found;
}

void Lanes::learn(const std::string& queue, int priority) {
    const bool is_ours =
        std::ranges::any_of(queues_, [&](const auto& own) { return own.queue == queue; });
    if (!is_ours || find(queue, priority) != nullptr) return;
    Lane lane;
    lane.queue = queue;
    lane.priority = priority;
    const auto before = std::ranges::find_if(lanes_, [&](const Lane& other) {
        return std::tuple(other.queue, -other.priority) > std::tuple(queue, -priority);
    });
    lanes_.insert(before, std::move(lane));
}

void Lanes::set_paused(const std::vector<std::string>& queues) {
    paused_ = std::set<std::string>(queues.begin(), queues.end());
}

void Lanes::set_held(const std::set<std::string>& kinds) {
    if (kinds == held_) return;
    held_ = kinds;
    for (KindsOfQueue& of : queues_) {
        std::vector<std::string> claimable;
        for (const std::string& name : of.kinds) {
            if (!held_.contains(name)) claimable.push_back(name);
        }
        of.claimable_json = claimable.empty() ? "" : to_json(claimable);
    }
    woken();  // of what was held there may be some
}

void Lanes::woken() noexcept {
    for (Lane& lane : lanes_) lane.may_have = true;
}

std::vector<LaneClaim> Lanes::wanted(
    const std::function<std::size_t(const std::string& queue)>& room, Clock::time_point now) {
    std::vector<LaneClaim> claims;
    for (std::size_t i = 0; i < queues_.size(); ++i) {
        const auto& [queue, names, json, kinds] = queues_[(turn_ + i) % queues_.size()];
        const std::size_t count = paused_.contains(queue) || kinds.empty() ? 0 : room(queue);
        if (count == 0) continue;
        for (Lane& lane : lanes_) {
            if (!lane.may_have || lane.queue != queue) continue;
            LaneClaim claim{queue, lane.priority, lane.cursor, kinds,
                            static_cast<std::int64_t>(count)};
            claim.is_sweep = now >= lane.sweep_at;
            if (claim.is_sweep) claim.cursor = lane.sweep_from;
            claims.push_back(std::move(claim));
        }
    }
    ++turn_;
    return claims;
}

void Lanes::claimed(const std::vector<LaneClaim>& wanted, const std::vector<Batch>& batches,
                    Clock::time_point now) {
    for (std::size_t i = 0; i < wanted.size() && i < batches.size(); ++i) {
        Lane* const lane = find(wanted[i].queue, wanted[i].priority);
        if (lane == nullptr) continue;
        const auto got = static_cast<std::int64_t>(batches[i].jobs.size());
        if (got > 0) lane->has_moved = true;
        if (got < batches[i].asked) lane->may_have = false;
        if (wanted[i].is_sweep && batches[i].asked > 0) {
            lane->sweep_at = now + sweep_every;
            lane->sweep_from = lane->cursor;
        }
    }
}

bool Lanes::has_backlog() const noexcept {
    return std::ranges::any_of(lanes_, [this](const Lane& lane) {
        return lane.may_have && !paused_.contains(lane.queue);
    });
}

std::int64_t Lanes::horizon(std::int64_t last, const Transactions& transactions) noexcept {
    if (last < pending_last_) {
        horizon_ = pending_last_ = pending_next_ = 0;
        for (Lane& lane : lanes_) lane.cursor = lane.sweep_from = 0;
    }
    if (pending_next_ != 0 && transactions.oldest < pending_next_) return horizon_;
    if (pending_next_ != 0) horizon_ = pending_last_;
    pending_last_ = last;
    pending_next_ = transactions.next;
    return horizon_;
}

std::vector<Lanes::Place> Lanes::moved() {
    std::vector<Place> places;
    for (Lane& lane : lanes_) {
        if (!std::exchange(lane.has_moved, false)) continue;
        const auto of = std::ranges::find_if(
            queues_, [&](const KindsOfQueue& own) { return own.queue == lane.queue; });
        places.push_back({lane.queue, lane.priority, lane.cursor, of->json});
    }
    return places;
}

void Lanes::advance(const Place& place, std::optional<std::int64_t> first, std::int64_t horizon) {
    Lane* const lane = find(place.queue, place.priority);
    if (lane == nullptr) return;
    const std::int64_t empty_to = first ? std::min(*first - 1, horizon) : horizon;
    lane->cursor = std::max(lane->cursor, empty_to);
    // A horizon that lags behind is followed when it moves.
    if (lane->cursor < (first ? *first - 1 : pending_last_)) lane->has_moved = true;
}

}  // namespace loadstone::jobs::internal
