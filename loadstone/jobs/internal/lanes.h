#pragma once
// Lanes: what a runner knows of the queues between two claims. Pure; of one task.
//
// A lane is a queue and a priority: its ready jobs stand in one order, and a claim takes from the
// front. Behind an old snapshot that some session holds, PostgreSQL cannot forget entries that were
// taken, and a claim that began at the front would read them all. So a lane has a cursor: no ready
// job stands at or before it, nor will one that is committed later, since all transactions that
// were given a place up to it have ended (the horizon). A place is given out a moment before its
// transaction shows as begun: what slips through that gap is found by a sweep each `sweep_every`, a
// claim from where the cursor stood at the sweep before.

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "loadstone/jobs/handlers.h"
#include "loadstone/jobs/internal/records.h"

namespace loadstone::jobs::internal {

// The places that had been given out, and then the transactions that had begun (records.h).
struct Transactions {
    std::int64_t oldest = 0;  // all before it have ended
    std::int64_t next = 0;    // none at or behind it has begun
};
BOOST_DESCRIBE_STRUCT(Transactions, (), (oldest, next))

class Lanes {
public:
    using Clock = std::chrono::steady_clock;
    static constexpr std::chrono::seconds sweep_every{30};

    // Those of the kinds; others are learnt.
    explicit Lanes(const std::vector<std::unique_ptr<Kind>>& kinds);

    void learn(const std::string& queue, int priority);
    void set_paused(const std::vector<std::string>& queues);
    // Jobs were committed somewhere: any lane may have some.
    void woken() noexcept;

    // Kinds of which nothing is claimed for now: what they need is away (runner_impl.h).
    void set_held(const std::set<std::string>& kinds);

    // What to claim, by queue in turn, by priority within: of lanes that may have jobs, in queues
    // that are not paused and for which `room` is above 0.
    std::vector<LaneClaim> wanted(const std::function<std::size_t(const std::string& queue)>& room,
                                  Clock::time_point now);
    // What came of it. A lane that gave less than it was asked for has no more.
    void claimed(const std::vector<LaneClaim>& wanted, const std::vector<Batch>& batches,
                 Clock::time_point now);
    bool has_backlog() const noexcept;

    // A sequence that has gone back (a standby that was behind has been promoted) begins anew.
    // Places up to `last` had been given out before `transactions` was read. Gives how far all
    // places are decided.
    std::int64_t horizon(std::int64_t last, const Transactions& transactions) noexcept;
    // Lanes of which something was taken since it was last asked.
    struct Place {
        std::string queue;
        int priority = 0;
        std::int64_t cursor = 0;
        std::string kinds_json;
    };
    std::vector<Place> moved();
    // The first ready job behind its cursor is at `first`, or there is none.
    void advance(const Place& place, std::optional<std::int64_t> first, std::int64_t horizon);

private:
    struct Lane {
        std::string queue;
        int priority = 0;
        std::int64_t cursor = 0;
        std::int64_t sweep_from = 0;  // the cursor at the sweep before
        bool may_have = true;
        bool has_moved = false;
        Clock::time_point sweep_at{};
    };
    Lane* find(const std::string& queue, int priority) noexcept;

    std::vector<Lane> lanes_;  // by queue, then the higher priority first
    struct KindsOfQueue {
        std::string queue;
        std::vector<std::string> kinds;
        std::string json;
        std::string claimable_json;  // those that are not held; empty: all are
    };
    std::vector<KindsOfQueue> queues_;
    std::set<std::string> held_;
    std::set<std::string> paused_;
    std::size_t turn_ = 0;
    std::int64_t horizon_ = 0;
    std::int64_t pending_last_ = 0;
    std::int64_t pending_next_ = 0;  // 0: nothing is pending
};

}  // namespace loadstone::jobs::internal
