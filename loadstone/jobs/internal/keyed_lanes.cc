#include "loadstone/jobs/internal/keyed_lanes.h"

#include <algorithm>
#include <utility>

#include "loadstone/jobs/keys.h"

namespace loadstone::jobs::internal {

namespace {

// Lanes of a queue in one claim, about, where there is room for more than a job of each: as few as
// give what is asked for, because each costs both sides.
constexpr std::int64_t shares_few = 16, shares_many = 32;

// Those that are claimed from stand at the front.
void remove(std::deque<std::string>& turns, const std::string& partition) {
    const auto at = std::ranges::find(turns, partition);
    if (at != turns.end()) turns.erase(at);
}

double weight_of(const std::map<std::string, double>& weights, const std::string& tenant) {
    const auto found = weights.find(tenant);
    return found == weights.end() || found->second <= 0 ? 1.0 : found->second;
}

}  // namespace

void KeyedLanes::learn(const Key& key, std::int64_t seq) {
    const auto [at, is_new] = lanes_.try_emplace(key);
    Lane& lane = at->second;
    if (is_new) {
        Partition partition = parse_partition(key.second);
        lane.tenant = std::move(partition.tenant);
        lane.limits = std::move(partition.limits);
        lane.cursor = seq - 1;
        run(key, lane);
        return;
    }
    lane.cursor = std::min(lane.cursor, seq - 1);
    if (lane.state == State::idle) {
        leave(key, lane);
        run(key, lane);
    }
}

void KeyedLanes::forget_cursors() noexcept {
    for (auto& [key, lane] : lanes_) lane.cursor = 0;
}

void KeyedLanes::run(const Key& key, Lane& lane) {
    lane.state = State::runnable;
    Level& level = levels_[key.first];
    const auto [at, is_back] = level.tenants.try_emplace(lane.tenant);
    if (is_back) {
        at->second.served = std::max(level.virtual_time, lane.served);
        level.order.emplace(at->second.served, lane.tenant);
    }
    at->second.runnable.push_back(key.second);
}

// Out of wherever it stands.
void KeyedLanes::leave(const Key& key, Lane& lane) {
    switch (lane.state) {
        case State::runnable: {
            Level& level = levels_.at(key.first);
            const auto tenant = level.tenants.find(lane.tenant);
            remove(tenant->second.runnable, key.second);
            if (!tenant->second.runnable.empty()) break;
            level.order.erase({tenant->second.served, lane.tenant});
            level.tenants.erase(tenant);
            break;
        }
        case State::full:
            for (const std::string& limit : lane.limits) {
                const auto of = full_.find(limit);
                if (of == full_.end()) continue;
                of->second.erase(key);
                if (of->second.empty()) full_.erase(of);
            }
            [[fallthrough]];
        case State::limited: waiting_.erase({lane.until, key}); break;
        case State::idle: idle_.erase(key); break;
    }
}

void KeyedLanes::wait(const Key& key, Lane& lane, State state, Clock::time_point until) {
    if (lane.state == State::runnable)
        lane.served = levels_.at(key.first).tenants.at(lane.tenant).served;
    leave(key, lane);
    lane.state = state;
    lane.until = until;
    waiting_.emplace(until, key);
    if (state != State::full) return;
    for (const std::string& limit : lane.limits) full_[limit].insert(key);
}

void KeyedLanes::charge(Level& level, const std::string& tenant, double amount) {
    const auto of = level.tenants.find(tenant);
    if (of == level.tenants.end()) return;
    level.order.erase({of->second.served, tenant});
    of->second.served += amount;
    level.order.emplace(of->second.served, tenant);
}

std::vector<int> KeyedLanes::priorities() const {
    std::vector<int> all;
    for (const auto& [priority, level] : levels_) {
        if (!level.order.empty()) all.push_back(priority);
    }
    return all;
}

bool KeyedLanes::is_runnable(int priority) const {
    const auto level = levels_.find(priority);
    return level != levels_.end() && !level->second.order.empty();
}

// One place after the other (a few at once where there is room for many) to the tenant that has
// had least. What is given here is only asked for: claimed() tells what each has really had.
std::vector<KeyedLanes::Share> KeyedLanes::share(int priority, std::int64_t count, bool with_plain,
                                                 const std::map<std::string, double>& weights) {
    Level& level = levels_[priority];
    if (with_plain) {
        const double at =
            std::max(level.plain_served.value_or(level.virtual_time), level.virtual_time);
        level.plain_served = at;
    }
    struct Had {
        double served = 0;
        std::size_t turn = 0;
    };
    std::map<std::string, Had> had;  // of those that are given something
    std::set<std::pair<double, std::string>> order;
    auto next = level.order.begin();  // of the others
    double plain = with_plain ? *level.plain_served : 0;
    std::map<Key, std::int64_t> given;
    std::vector<Key> turns;
    const auto give = [&](const Key& key, std::int64_t some) {
        if (given.try_emplace(key, 0).second) turns.push_back(key);
        given[key] += some;
    };
    const bool is_alone = !with_plain && level.order.size() == 1 &&
                          level.tenants.begin()->second.runnable.size() == 1;
    const std::int64_t shares_max = 2 * level.got >= level.wanted ? shares_few : shares_many;
    level.wanted = level.got = 0;
    const std::int64_t quantum = is_alone ? count : std::max<std::int64_t>(1, count / shares_max);
    bool is_first = true;
    for (std::int64_t left = count; left > 0;) {
        const std::int64_t some = std::min(left, quantum);
        const bool has_next = next != level.order.end();
        const double least_had = order.empty() ? -1 : order.begin()->first;
        const bool takes_next = has_next && (order.empty() || next->first <= least_had);
        if (!takes_next && order.empty() && !with_plain) break;
        const double least = takes_next ? next->first : least_had;
        if (with_plain && ((!takes_next && order.empty()) || plain <= least)) {
            if (is_first) level.asked_at = plain;
            give({priority, ""}, some);
            plain += static_cast<double>(some);
        } else {
            if (is_first) level.asked_at = least;
            const std::string tenant = takes_next ? next->second : order.begin()->second;
            Had& of = had[tenant];
            if (takes_next) {
                of.served = next->first;
                ++next;
            } else {
                order.erase(order.begin());
            }
            const auto& runnable = level.tenants.at(tenant).runnable;
            give({priority, runnable[of.turn++ % runnable.size()]}, some);
            level.wanted += some;
            of.served += static_cast<double>(some) / weight_of(weights, tenant);
            order.emplace(of.served, tenant);
        }
        is_first = false;
        left -= some;
    }
    std::vector<Share> shares;
    for (const Key& key : turns) {
        const auto lane = lanes_.find(key);
        shares.push_back({key, lane == lanes_.end() ? 0 : lane->second.cursor, given[key]});
    }
    return shares;
}

void KeyedLanes::claimed(const Key& key, const Outcome& outcome, std::int64_t horizon,
                         const std::map<std::string, double>& weights, Clock::time_point now) {
    Level& level = levels_[key.first];
    // What a limit did not let happen moves nothing on.
    if (outcome.got > 0) level.virtual_time = std::max(level.virtual_time, level.asked_at);
    if (key.second.empty()) {
        if (level.plain_served) *level.plain_served += static_cast<double>(outcome.got);
        return;
    }
    const auto at = lanes_.find(key);
    if (at == lanes_.end()) return;
    Lane& lane = at->second;
    charge(level, lane.tenant, static_cast<double>(outcome.got) / weight_of(weights, lane.tenant));
    level.got += outcome.got;
    if (outcome.is_closed) return;
    if (outcome.is_all_kinds)
        lane.cursor = std::max(lane.cursor, std::min(outcome.last_seq, horizon));
    if (outcome.is_full) {
        wait(key, lane, State::full, now + full_for);
    } else if (outcome.retry_in_us > 0) {
        wait(key, lane, State::limited, now + std::chrono::microseconds(outcome.retry_in_us));
    } else if (outcome.got < outcome.asked) {
        leave(key, lane);
        if (outcome.is_all_kinds) {
            lanes_.erase(at);
        } else {
            lane.state = State::idle;
            idle_.insert(key);
        }
    } else if (outcome.asked > 0) {
        // Behind the tenant's other lanes.
        auto& turns = level.tenants.at(lane.tenant).runnable;
        remove(turns, key.second);
        turns.push_back(key.second);
    }
}

void KeyedLanes::woken(Clock::time_point now) {
    for (const Key& key : std::exchange(idle_, {})) run(key, lanes_.at(key));
    if (full_.empty() || now < woken_at_ + full_for_min) return;
    woken_at_ = now;
    std::set<Key> keys;
    for (const auto& [limit, of] : full_) keys.insert(of.begin(), of.end());
    for (const Key& key : keys) {
        Lane& lane = lanes_.at(key);
        const auto soon = std::max(now, lane.until - full_for + full_for_min);
        if (soon < lane.until) wait(key, lane, State::full, soon);
    }
}

void KeyedLanes::released(const std::set<std::string>& limits) {
    for (const std::string& limit : limits) {
        const auto of = full_.find(limit);
        if (of == full_.end()) continue;
        const std::set<Key> keys = of->second;
        for (const Key& key : keys) {
            leave(key, lanes_.at(key));
            run(key, lanes_.at(key));
        }
    }
}

void KeyedLanes::pass(Clock::time_point now) {
    while (!waiting_.empty() && waiting_.begin()->first <= now) {
        const Key key = waiting_.begin()->second;
        Lane& lane = lanes_.at(key);
        leave(key, lane);
        run(key, lane);
    }
}

std::optional<KeyedLanes::Clock::time_point> KeyedLanes::next_change() const {
    if (waiting_.empty()) return std::nullopt;
    return waiting_.begin()->first;
}

}  // namespace loadstone::jobs::internal
