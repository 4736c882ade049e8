#include "loadstone/jobs/internal/keyed_lanes.h"

#include <algorithm>
#include <utility>

#include "loadstone/jobs/keys.h"

namespace loadstone::jobs::internal {

namespace {

// Lanes of a queue in one claim, about, where there is room for more than a job of each: as few as
// give what is asked for, because each costs both sides. Twice as many after a claim that gave less
// than three quarters of it, half as many after one that gave nine tenths.
constexpr std::int64_t shares_few = 16, shares_many = 64;

// Those that are claimed from stand at the front.
template <class Entry>
void remove(std::deque<const Entry*>& turns, const Entry* entry) {
    const auto at = std::ranges::find(turns, entry);
    if (at != turns.end()) turns.erase(at);
}

double weight_of(const std::map<std::string, double>& weights, const std::string& tenant) {
    const auto found = weights.find(tenant);
    return found == weights.end() || !(found->second > 0) ? 1.0 : found->second;
}

}  // namespace

void KeyedLanes::learn(const Key& key, std::int64_t seq, std::int64_t seen) {
    const auto [at, is_new] = lanes_.try_emplace(key);
    Lane& lane = at->second;
    if (is_new) {
        Partition partition = parse_partition(key.second);
        lane.tenant = std::move(partition.tenant);
        lane.limits = std::move(partition.limits);
        lane.cursor = std::min(seq - 1, seen);
        run(*at);
        return;
    }
    lane.cursor = std::min(lane.cursor, seq - 1);
    if (lane.state == State::idle) {
        leave(*at);
        run(*at);
    }
}

void KeyedLanes::forget_cursors() noexcept {
    for (auto& [key, lane] : lanes_) lane.cursor = 0;
}

void KeyedLanes::run(LaneEntry& entry) {
    Lane& lane = entry.second;
    lane.state = State::runnable;
    Level& level = levels_[entry.first.first];
    const auto [at, is_back] = level.tenants.try_emplace(lane.tenant);
    if (is_back) {
        at->second.served = std::max(level.virtual_time, lane.served);
        level.order.insert(Turn{at->second.served, &*at});
    }
    at->second.runnable.push_back(&entry);
}

// Out of wherever it stands.
void KeyedLanes::leave(LaneEntry& entry) {
    auto& [key, lane] = entry;
    switch (lane.state) {
        case State::runnable: {
            Level& level = levels_.at(key.first);
            const auto tenant = level.tenants.find(lane.tenant);
            remove(tenant->second.runnable, &std::as_const(entry));
            if (!tenant->second.runnable.empty()) break;
            level.order.erase(Turn{tenant->second.served, &*tenant});
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

void KeyedLanes::wait(LaneEntry& entry, State state, Clock::time_point until) {
    auto& [key, lane] = entry;
    if (lane.state == State::runnable)
        lane.served = levels_.at(key.first).tenants.at(lane.tenant).served;
    leave(entry);
    lane.state = state;
    lane.until = until;
    waiting_.emplace(until, key);
    if (state != State::full) return;
    for (const std::string& limit : lane.limits) full_[limit].insert(key);
}

void KeyedLanes::charge(Level& level, TenantEntry& tenant, double amount) {
    auto turn = level.order.extract(Turn{tenant.second.served, &tenant});
    tenant.second.served += amount;
    turn.value().served = tenant.second.served;
    level.order.insert(std::move(turn));
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
    std::vector<Share> shares;
    const auto add = [&](const Key& key, std::int64_t cursor) {
        shares.push_back({key, cursor, 0});
        return shares.size() - 1;
    };
    struct Had {
        Turn turn;
        std::size_t lanes = 0;
        std::vector<std::size_t> shares;  // of its lanes, in turn

        bool operator>(const Had& other) const noexcept { return other.turn < turn; }
    };
    std::vector<Had> had;  // of those that are given something: a heap, who has had least on top
    auto next = level.order.begin();  // of the others
    double plain = with_plain ? *level.plain_served : 0;
    std::optional<std::size_t> plain_share;
    const bool is_alone = !with_plain && level.order.size() == 1 &&
                          level.tenants.begin()->second.runnable.size() == 1;
    // Nothing at all says nothing of lanes: a claim has failed, or all are under a limit.
    if (level.got > 0 && 4 * level.got < 3 * level.wanted) {
        level.shares = std::min(2 * level.shares, shares_many);
    } else if (10 * level.got >= 9 * level.wanted) {
        level.shares = std::max(level.shares / 2, shares_few);
    }
    level.wanted = level.got = 0;
    const std::int64_t quantum = is_alone ? count : std::max<std::int64_t>(1, count / level.shares);
    bool is_first = true;
    for (std::int64_t left = count; left > 0;) {
        const std::int64_t some = std::min(left, quantum);
        const bool has_next = next != level.order.end();
        const bool takes_next =
            has_next && (had.empty() || next->served <= had.front().turn.served);
        if (!takes_next && had.empty() && !with_plain) break;
        double least = plain;
        if (takes_next) {
            least = next->served;
        } else if (!had.empty()) {
            least = had.front().turn.served;
        }
        if (is_first) level.asked_at = with_plain ? std::min(plain, least) : least;
        if (with_plain && plain <= least) {
            if (!plain_share) plain_share = add({priority, ""}, 0);
            shares[*plain_share].count += some;
            plain += static_cast<double>(some);
        } else {
            if (takes_next) {
                had.push_back({*next++, 0, {}});
            } else {
                std::ranges::pop_heap(had, std::greater<>());
            }
            Had& of = had.back();
            const auto& [tenant, lanes] = *of.turn.tenant;
            const std::size_t turn = of.lanes++ % lanes.runnable.size();
            if (turn == of.shares.size()) {
                const auto& [key, lane] = *lanes.runnable[turn];
                of.shares.push_back(add(key, lane.cursor));
            }
            shares[of.shares[turn]].count += some;
            level.wanted += some;
            of.turn.served += static_cast<double>(some) / weight_of(weights, tenant);
            std::ranges::push_heap(had, std::greater<>());
        }
        is_first = false;
        left -= some;
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
    const auto tenant = level.tenants.find(lane.tenant);
    if (tenant != level.tenants.end())
        charge(level, *tenant, static_cast<double>(outcome.got) / weight_of(weights, lane.tenant));
    level.got += outcome.got;
    if (outcome.is_closed) return;
    if (outcome.is_all_kinds)
        lane.cursor = std::max(lane.cursor, std::min(outcome.last_seq, horizon));
    if (outcome.is_full) {
        wait(*at, State::full, now + full_for);
    } else if (outcome.retry_in_us > 0) {
        wait(*at, State::limited, now + std::chrono::microseconds(outcome.retry_in_us));
    } else if (outcome.got < outcome.asked) {
        leave(*at);
        if (outcome.is_all_kinds) {
            lanes_.erase(at);
        } else {
            lane.state = State::idle;
            idle_.insert(key);
        }
    } else if (outcome.asked > 0 && lane.state == State::runnable) {
        // Behind the tenant's other lanes.
        auto& turns = tenant->second.runnable;
        remove(turns, &std::as_const(*at));
        turns.push_back(&*at);
    }
}

void KeyedLanes::woken(Clock::time_point now) {
    for (const Key& key : std::exchange(idle_, {})) run(*lanes_.find(key));
    if (full_.empty() || now < woken_at_ + full_for_min) return;
    woken_at_ = now;
    std::set<Key> keys;
    for (const auto& [limit, of] : full_) keys.insert(of.begin(), of.end());
    for (const Key& key : keys) {
        LaneEntry& entry = *lanes_.find(key);
        const Lane& lane = entry.second;
        const auto soon = std::max(now, lane.until - full_for + full_for_min);
        if (soon < lane.until) wait(entry, State::full, soon);
    }
}

void KeyedLanes::released(const std::set<std::string>& limits) {
    for (const std::string& limit : limits) {
        const auto of = full_.find(limit);
        if (of == full_.end()) continue;
        const std::set<Key> keys = of->second;
        for (const Key& key : keys) {
            LaneEntry& entry = *lanes_.find(key);
            leave(entry);
            run(entry);
        }
    }
}

void KeyedLanes::pass(Clock::time_point now) {
    while (!waiting_.empty() && waiting_.begin()->first <= now) {
        LaneEntry& entry = *lanes_.find(waiting_.begin()->second);
        leave(entry);
        run(entry);
    }
}

std::optional<KeyedLanes::Clock::time_point> KeyedLanes::next_change() const {
    if (waiting_.empty()) return std::nullopt;
    return waiting_.begin()->first;
}

}  // namespace loadstone::jobs::internal
