#pragma once
// KeyedLanes: the lanes of one queue that have a partition, and which tenant is served next. Pure.
// What a claim asks costs the logarithm of how many there are.
//
// Shares. Of one priority, the next place goes to the tenant that has had least for its weight
// (start-time fair queueing). A tenant that had nothing to claim saves nothing up: when it comes
// back it stands where the others are. One that a limit held up keeps its place among them.

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "loadstone/runtime/clock.h"

namespace loadstone::jobs::internal {

class KeyedLanes {
public:
    using Clock = runtime::Clock;
    using Key = std::pair<int, std::string>;  // priority, partition
    // A lane that waits for others to end is asked for again after that long, or, when somebody
    // has told of a change, after the shorter time.
    static constexpr std::chrono::milliseconds full_for{1'000}, full_for_min{100};

    KeyedLanes() = default;
    // Lanes and tenants point at each other.
    KeyedLanes(const KeyedLanes&) = delete;
    KeyedLanes& operator=(const KeyedLanes&) = delete;
    KeyedLanes(KeyedLanes&&) = default;
    KeyedLanes& operator=(KeyedLanes&&) = default;

    // A job stands at `seq`, the first that is known of. If the lane is new there may be others
    // behind `seen`.
    void learn(const Key& key, std::int64_t seq, std::int64_t seen);
    void forget_cursors() noexcept;
    // To which lanes the next `count` places of a priority go. `with_plain`: the lane without a
    // partition shares as a tenant of its own, as key {priority, ""}.
    struct Share {
        Key key;
        std::int64_t cursor = 0, count = 0;
    };
    std::vector<Share> share(int priority, std::int64_t count, bool with_plain,
                             const std::map<std::string, double>& weights);
    // The priorities that have lanes to claim from, the highest first.
    std::vector<int> priorities() const;
    bool is_runnable(int priority) const;

    struct Outcome {
        std::int64_t asked = 0, got = 0, last_seq = 0;
        bool is_full = false;
        std::int64_t retry_in_us = 0;
        bool is_closed = false;     // nothing could be claimed at all
        bool is_all_kinds = false;  // or some kinds were not asked for
    };
    void claimed(const Key& key, const Outcome& outcome, std::int64_t horizon,
                 const std::map<std::string, double>& weights, Clock::time_point now);

    void woken(Clock::time_point now);  // also those that gave nothing of the kinds asked for
    void released(const std::set<std::string>& limits);
    // Those whose time has come may be claimed from again.
    void pass(Clock::time_point now);
    std::optional<Clock::time_point> next_change() const;
    std::size_t size() const noexcept { return lanes_.size(); }

private:
    enum class State { runnable, limited, full, idle };
    struct Lane {
        std::string tenant;
        std::vector<std::string> limits;
        std::int64_t cursor = 0;
        State state = State::idle;
        Clock::time_point until{};
        double served = 0;  // its tenant's when it began to wait
    };
    using LaneEntry = std::pair<const Key, Lane>;  // of lanes_: it stays where it is
    struct Tenant {
        double served = 0;
        std::deque<const LaneEntry*> runnable;  // in turn
    };
    using TenantEntry = std::pair<const std::string, Tenant>;  // of Level::tenants
    struct Turn {
        double served = 0;
        const TenantEntry* tenant = nullptr;

        bool operator<(const Turn& other) const noexcept {
            return served != other.served ? served < other.served
                                          : tenant->first < other.tenant->first;
        }
    };
    struct Level {
        std::map<std::string, Tenant> tenants;  // those with runnable lanes
        std::set<Turn> order;
        double virtual_time = 0;
        double asked_at = 0;  // what it becomes when something of the last share is claimed
        std::int64_t wanted = 0, got = 0;  // of the last share, by lanes with a partition
        std::int64_t shares = 0;           // in which it was given; 0: none yet
        std::optional<double> plain_served;
    };
    void run(LaneEntry& entry);
    void leave(LaneEntry& entry);
    void wait(LaneEntry& entry, State state, Clock::time_point until);
    static void charge(Level& level, TenantEntry& tenant, double amount);

    std::map<Key, Lane> lanes_;
    std::map<int, Level, std::greater<>> levels_;
    std::set<std::pair<Clock::time_point, Key>> waiting_;  // limited or full
    std::map<std::string, std::set<Key>> full_;            // by limit
    std::set<Key> idle_;
    Clock::time_point woken_at_{};
};

}  // namespace loadstone::jobs::internal
