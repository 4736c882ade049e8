#pragma once
// Lanes: what a runner knows of the queues between two claims. Pure; of one task.
//
// A lane is a queue, a partition (keys.h) and a priority: its ready jobs stand in one order, and a
// claim takes from the front. The lanes without a partition are always known; those with one are
// learnt when a job stands in them, and forgotten when a claim has found them empty.
//
// Suspects have lanes, and are claimed, apart from all others.
//
// Of one priority, each tenant that has jobs gets its share of what is claimed (keyed_lanes.h).
//
// Cursors. Behind an old snapshot that some session holds, PostgreSQL cannot forget entries that
// were taken, and a claim that began at the front would read them all. So a lane has a cursor: no
// ready job stands at or before it, nor will one that is committed later, since all transactions
// that were given a place up to it have ended (the horizon). Transactions show
// as begun before they are given places (migration 0013). What a claim that failed had kept from
// others is found by a sweep each `sweep_every`, a claim from where the cursor stood at the sweep
// before, and a look at which lanes there are. On SQLite, which has one writer, all places that a
// claim sees are decided: the cursor follows what it takes, so that what no claim takes, jobs of
// kinds that this program does not know, is not read by each. For the same reason a lane has a
// cursor of its own for those of its kinds that may be claimed while others are held.

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "loadstone/jobs/handlers.h"
#include "loadstone/jobs/internal/keyed_lanes.h"
#include "loadstone/jobs/internal/records.h"
#include "loadstone/runtime/clock.h"

namespace loadstone::jobs::internal {

// The places that had been given out, and then the transactions that had begun (records.h).
struct Transactions {
    std::int64_t oldest = 0;  // all before it have ended
    std::int64_t next = 0;    // none at or behind it has begun
};
BOOST_DESCRIBE_STRUCT(Transactions, (), (oldest, next))

// A lane in which a job stands, the first at `seq`.
struct LaneFound {
    std::string queue, partition_key;
    int priority = 0;
    std::int64_t seq = 0;
};
BOOST_DESCRIBE_STRUCT(LaneFound, (), (queue, partition_key, priority, seq))

class Lanes {
public:
    using Clock = runtime::Clock;
    static constexpr std::chrono::seconds sweep_every{30};
    static constexpr std::size_t page_max = 5'000;  // of sql::lanes

    // Those of the kinds; others are learnt. `has_one_writer`: of the database, as SQLite.
    explicit Lanes(const std::vector<std::unique_ptr<Kind>>& kinds, bool has_one_writer = false);

    // Not of queues that this program does not know.
    void learn(const LaneFound& lane);
    // Lanes with jobs up to `place` have been learnt since all these places were decided
    // (horizon()). A job behind it may have come to stand before one that is found first: claims
    // begin there.
    void set_seen(std::int64_t place) noexcept { seen_ = place; }
    std::int64_t seen() const noexcept { return seen_; }
    // Once: whether horizon() has met a sequence that has gone back.
    bool take_gone_back() noexcept { return std::exchange(has_gone_back_, false); }
    void set_paused(const std::vector<std::string>& queues);
    // Jobs were committed somewhere: any lane may have some.
    void woken(Clock::time_point now);
    // Places of these limits are free again.
    void released(const std::set<std::string>& limits);
    // Of a tenant that is not named: 1.
    void set_weights(std::map<std::string, double> weights) { weights_ = std::move(weights); }

    // Kinds of which nothing is claimed from their queues now: what they need is away. True: they
    // are others than before, and cursors are worth a look.
    bool set_held(const std::set<std::string>& kinds, Clock::time_point now);

    // What to claim, by queue in turn, by priority within: of lanes that may have jobs, in queues
    // that are not paused and for which `room` is above 0.
    std::vector<LaneClaim> wanted(const std::function<std::size_t(const std::string& queue)>& room,
                                  Clock::time_point now);
    // Lanes of suspects (keys.h) are apart: one job of one of them.
    bool has_suspects(Clock::time_point now);
    // Those that limits hold up too; not of queues that are paused.
    bool knows_suspects() const;
    void forget_suspects();
    std::vector<LaneClaim> suspect_wanted(
        const std::function<std::size_t(const std::string& queue)>& room, Clock::time_point now);
    // What came of it. A lane that gave less than it was asked for has no more.
    void claimed(const std::vector<LaneClaim>& wanted, const std::vector<LaneResult>& results,
                 Clock::time_point now);
    // Is there a lane that may have jobs, not of suspects, and that limits do not hold up?
    bool has_backlog(Clock::time_point now);
    // When the first lane that limits hold up is worth asking for again.
    std::optional<Clock::time_point> next_change() const;

    // A sequence that has gone back (a standby that was behind has been promoted) begins anew.
    // Places up to `last` had been given out before `transactions` was read. Gives how far all
    // places are decided.
    std::int64_t horizon(std::int64_t last, const Transactions& transactions) noexcept;
    std::int64_t horizon() const noexcept { return horizon_; }
    // Lanes without a partition that a claim may have to read more of than it takes.
    struct Place {
        std::string queue;
        int priority = 0;
        std::int64_t cursor = 0;
        std::string kinds_json;
    };
    std::vector<Place> moved();
    // The first ready job behind its cursor is at `first`, or there is none.
    void advance(const Place& place, std::optional<std::int64_t> first, std::int64_t horizon);
    std::size_t keyed_lanes() const noexcept;

private:
    struct Cursor {
        std::int64_t at = 0;
        std::int64_t sweep_from = 0;  // the cursor at the sweep before
        Clock::time_point sweep_at{};
    };
    // Without a partition.
    struct Lane {
        Cursor all;                             // of all kinds
        std::map<std::string, Cursor> of_some;  // by kinds_json; at most of_some_max
        bool may_have = true;
        bool has_moved = false;
    };
    static constexpr std::size_t of_some_max = 16;
    struct QueueLanes {
        std::string name;
        std::vector<std::string> kinds;
        // Others of its module: an older program may have put them where they stood then.
        std::vector<std::string> others;
        std::string json;                           // of both
        std::string claimable_json;                 // without those held; empty: all of `kinds` are
        std::map<int, Lane, std::greater<>> plain;  // by priority
        KeyedLanes keyed, suspects;

        KeyedLanes& keyed_of(const std::string& partition) noexcept;
    };
    QueueLanes* queue(const std::string& name) noexcept;
    bool is_closed(const QueueLanes& of) const;
    static std::set<int, std::greater<>> priorities(const QueueLanes& of);
    void add_claims(QueueLanes& of, std::size_t count, Clock::time_point now,
                    std::vector<LaneClaim>& out);
    static Cursor& cursor_of(const QueueLanes& of, Lane& lane, const std::string& kinds_json);
    static LaneClaim claim_of(const QueueLanes& of, int priority, std::size_t count);

    const bool has_one_writer_;
    std::vector<QueueLanes> queues_;  // by name
    std::set<std::string> held_;
    std::set<std::string> paused_;
    std::map<std::string, double> weights_;
    std::size_t turn_ = 0;
    std::int64_t horizon_ = 0;
    std::int64_t seen_ = 0;
    bool has_gone_back_ = false;
    std::int64_t pending_last_ = 0;
    std::int64_t pending_next_ = 0;  // 0: nothing is pending
};

}  // namespace loadstone::jobs::internal
