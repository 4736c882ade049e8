#include "loadstone/jobs/internal/lanes.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "loadstone/jobs/keys.h"

namespace loadstone::jobs::internal {

Lanes::Lanes(const std::vector<std::unique_ptr<Kind>>& kinds) {
    std::map<std::string, std::vector<std::string>> by_queue;
    for (const auto& kind : kinds) by_queue[kind->queue].push_back(kind->name);
    for (auto& [name, names] : by_queue) {
        QueueLanes of;
        of.name = name;
        of.kinds = names;
        of.json = of.claimable_json = to_json(names);
        queues_.push_back(std::move(of));
    }
    for (const auto& kind : kinds) learn({kind->queue, "", kind->policy.priority, 1});
}

Lanes::QueueLanes* Lanes::queue(const std::string& name) noexcept {
    const auto found = std::ranges::find(queues_, name, &QueueLanes::name);
    return found == queues_.end() ? nullptr : &*found;
}

double Lanes::weight(const std::string& tenant) const {
    const auto found = weights_.find(tenant);
    return found == weights_.end() || found->second <= 0 ? 1.0 : found->second;
}

void Lanes::learn(const LaneFound& found) {
    QueueLanes* const of = queue(found.queue);
    if (of == nullptr) return;
    const auto [at, is_new] = of->lanes.try_emplace({-found.priority, found.partition_key});
    Lane& lane = at->second;
    if (!is_new) {
        if (found.partition_key.empty()) return;
        lane.cursor = std::min(lane.cursor, found.seq - 1);
        lane.may_have = true;
        return;
    }
    lane.partition_key = found.partition_key;
    lane.priority = found.priority;
    Partition partition = parse_partition(found.partition_key);
    lane.tenant = std::move(partition.tenant);
    lane.limits = std::move(partition.limits);
    if (!found.partition_key.empty()) lane.cursor = found.seq - 1;
    const auto served = of->served.try_emplace(lane.tenant, of->virtual_time).first;
    served->second = std::max(served->second, of->virtual_time);
}

void Lanes::forget_lane(QueueLanes& of, const LaneKey& key) {
    const std::string tenant = of.lanes.at(key).tenant;
    of.lanes.erase(key);
    const bool has_more = std::ranges::any_of(
        of.lanes, [&](const auto& each) { return each.second.tenant == tenant; });
    if (!has_more) of.served.erase(tenant);
}

void Lanes::set_paused(const std::vector<std::string>& queues) {
    paused_ = std::set<std::string>(queues.begin(), queues.end());
}

void Lanes::set_held(const std::set<std::string>& kinds, Clock::time_point now) {
    if (kinds == held_) return;
    held_ = kinds;
    for (QueueLanes& of : queues_) {
        std::vector<std::string> claimable;
        for (const std::string& name : of.kinds) {
            if (!held_.contains(name)) claimable.push_back(name);
        }
        of.claimable_json = claimable.empty() ? "" : to_json(claimable);
    }
    woken(now);  // of what was held there may be some
}

void Lanes::woken(Clock::time_point now) noexcept {
    for (QueueLanes& of : queues_) {
        for (auto& [key, lane] : of.lanes) {
            lane.may_have = true;
            if (lane.is_full && lane.limited_until)
                lane.limited_until =
                    std::min(*lane.limited_until, std::max(now, lane.limited_at + full_for_min));
        }
    }
}

void Lanes::released(const std::set<std::string>& limits) noexcept {
    for (QueueLanes& of : queues_) {
        for (auto& [key, lane] : of.lanes) {
            const bool concerns =
                lane.is_full && std::ranges::any_of(lane.limits, [&](const std::string& limit) {
                    return limits.contains(limit);
                });
            if (concerns) lane.limited_until.reset();
        }
    }
}

bool Lanes::is_runnable(const Lane& lane, Clock::time_point now) noexcept {
    return lane.may_have && (!lane.limited_until || *lane.limited_until <= now);
}

std::vector<LaneClaim> Lanes::wanted(
    const std::function<std::size_t(const std::string& queue)>& room, Clock::time_point now) {
    std::vector<LaneClaim> claims;
    for (std::size_t i = 0; i < queues_.size(); ++i) {
        QueueLanes& of = queues_[(turn_ + i) % queues_.size()];
        const bool is_closed = paused_.contains(of.name) || of.claimable_json.empty();
        const std::size_t count = is_closed ? 0 : room(of.name);
        if (count > 0) add_claims(of, count, now, claims);
    }
    ++turn_;
    return claims;
}

// All priorities as long as each is a single lane, which is asked for all there is room for. Where
// several lanes share a priority, those below it wait for the next claim: what the sharers leave
// is not known before.
void Lanes::add_claims(QueueLanes& of, std::size_t count, Clock::time_point now,
                       std::vector<LaneClaim>& out) {
    for (auto at = of.lanes.begin(); at != of.lanes.end();) {
        const int priority = at->second.priority;
        std::vector<Lane*> runnable;
        for (; at != of.lanes.end() && at->second.priority == priority; ++at) {
            if (is_runnable(at->second, now)) runnable.push_back(&at->second);
        }
        const auto first = out.size();
        share(of, runnable, count, out);
        for (std::size_t i = first; i < out.size(); ++i) {
            const Lane& lane = of.lanes.at({-priority, out[i].partition_key});
            out[i].is_sweep = lane.partition_key.empty() && now >= lane.sweep_at;
            if (out[i].is_sweep) out[i].cursor = lane.sweep_from;
        }
        if (runnable.size() > 1) return;
    }
}

// One place after the other (a few at once where there are many) to the tenant that has had least.
void Lanes::share(QueueLanes& of, const std::vector<Lane*>& lanes, std::size_t count,
                  std::vector<LaneClaim>& out) {
    if (lanes.empty()) return;
    std::map<std::string, std::vector<Lane*>> by_tenant;
    for (Lane* lane : lanes) by_tenant[lane->tenant].push_back(lane);
    std::map<std::string, double> served;
    for (const auto& [tenant, own] : by_tenant) served[tenant] = of.served.at(tenant);
    std::map<std::string, std::size_t> turn;
    std::map<const Lane*, std::size_t> asked;
    std::vector<const Lane*> order;
    const std::size_t quantum = lanes.size() == 1 ? count : count / keyed_lanes_max + 1;
    for (std::size_t left = count; left > 0;) {
        const auto least =
            std::ranges::min_element(served, {}, [](const auto& each) { return each.second; });
        if (left == count) of.virtual_time = std::max(of.virtual_time, least->second);
        const auto& own = by_tenant.at(least->first);
        const std::size_t offset = of.lanes.size() > 1 ? turn_ : 0;
        const Lane* lane = own[(offset + turn[least->first]++) % own.size()];
        const std::size_t some = std::min(left, quantum);
        if (asked[lane] == 0) order.push_back(lane);
        asked[lane] += some;
        left -= some;
        least->second += static_cast<double>(some) / weight(least->first);
    }
    for (const Lane* lane : order) {
        LaneClaim claim;
        claim.queue = of.name;
        claim.partition_key = lane->partition_key;
        claim.priority = lane->priority;
        claim.cursor = lane->cursor;
        claim.kinds_json = of.claimable_json;
        claim.count = static_cast<std::int64_t>(asked[lane]);
        claim.queue_count = static_cast<std::int64_t>(count);
        out.push_back(std::move(claim));
    }
}

void Lanes::claimed(const std::vector<LaneClaim>& wanted, const std::vector<LaneResult>& results,
                    Clock::time_point now) {
    for (std::size_t i = 0; i < wanted.size() && i < results.size(); ++i) {
        QueueLanes* const of = queue(wanted[i].queue);
        const LaneKey key{-wanted[i].priority, wanted[i].partition_key};
        if (of == nullptr || !of->lanes.contains(key)) continue;
        Lane& lane = of->lanes.at(key);
        const LaneResult& result = results[i];
        if (result.got > 0) lane.has_moved = true;
        of->served.at(lane.tenant) += static_cast<double>(result.got) / weight(lane.tenant);
        lane.limited_until.reset();
        lane.is_full = result.is_full;
        lane.limited_at = now;
        if (result.is_full) {
            lane.limited_until = now + full_for;
        } else if (result.retry_in_us > 0) {
            lane.limited_until = now + std::chrono::microseconds(result.retry_in_us);
        }
        if (wanted[i].is_sweep && result.asked > 0) {
            lane.sweep_at = now + sweep_every;
            lane.sweep_from = lane.cursor;
        }
        const bool all_kinds = wanted[i].kinds_json == of->json;
        if (!lane.partition_key.empty() && all_kinds)
            lane.cursor = std::max(lane.cursor, std::min(result.last_seq, horizon_));
        if (result.got >= result.asked) continue;
        lane.may_have = false;
        if (!lane.partition_key.empty() && all_kinds) forget_lane(*of, key);
    }
}

bool Lanes::has_backlog(Clock::time_point now) const noexcept {
    return std::ranges::any_of(queues_, [&](const QueueLanes& of) {
        return !paused_.contains(of.name) && !of.claimable_json.empty() &&
               std::ranges::any_of(of.lanes,
                                   [&](const auto& each) { return is_runnable(each.second, now); });
    });
}

std::optional<Lanes::Clock::time_point> Lanes::next_change() const noexcept {
    std::optional<Clock::time_point> first;
    for (const QueueLanes& of : queues_) {
        if (paused_.contains(of.name) || of.claimable_json.empty()) continue;
        for (const auto& [key, lane] : of.lanes) {
            if (lane.may_have && lane.limited_until && (!first || *lane.limited_until < *first))
                first = lane.limited_until;
        }
    }
    return first;
}

std::int64_t Lanes::horizon(std::int64_t last, const Transactions& transactions) noexcept {
    if (last < pending_last_) {
        horizon_ = pending_last_ = pending_next_ = 0;
        for (QueueLanes& of : queues_) {
            for (auto& [key, lane] : of.lanes) lane.cursor = lane.sweep_from = 0;
        }
    }
    if (pending_next_ != 0 && transactions.oldest < pending_next_) return horizon_;
    if (pending_next_ != 0) horizon_ = pending_last_;
    pending_last_ = last;
    pending_next_ = transactions.next;
    return horizon_;
}

std::vector<Lanes::Place> Lanes::moved() {
    std::vector<Place> places;
    for (QueueLanes& of : queues_) {
        for (auto& [key, lane] : of.lanes) {
            if (!lane.partition_key.empty() || !std::exchange(lane.has_moved, false)) continue;
            places.push_back({of.name, lane.priority, lane.cursor, of.json});
        }
    }
    return places;
}

void Lanes::advance(const Place& place, std::optional<std::int64_t> first, std::int64_t horizon) {
    QueueLanes* const of = queue(place.queue);
    if (of == nullptr) return;
    const auto found = of->lanes.find({-place.priority, ""});
    if (found == of->lanes.end()) return;
    Lane& lane = found->second;
    const std::int64_t empty_to = first ? std::min(*first - 1, horizon) : horizon;
    lane.cursor = std::max(lane.cursor, empty_to);
    // A horizon that lags behind is followed when it moves.
    if (lane.cursor < (first ? *first - 1 : pending_last_)) lane.has_moved = true;
}

std::size_t Lanes::keyed_lanes() const noexcept {
    std::size_t count = 0;
    for (const QueueLanes& of : queues_) {
        for (const auto& [key, lane] : of.lanes) count += lane.partition_key.empty() ? 0 : 1;
    }
    return count;
}

}  // namespace loadstone::jobs::internal
