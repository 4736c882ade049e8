#include "loadstone/store/internal/replica_choice.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace loadstone::store::internal {

namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using Kind = ReplicaDecision::Kind;

ReplicaView replica(std::uint64_t at, std::size_t reads = 0, std::uint32_t history = 1) {
    ReplicaView view;
    view.is_healthy = view.is_connected = true;
    view.history = history;
    view.at = at;
    view.reads = reads;
    return view;
}
ReplicaView behind(std::uint64_t at, milliseconds lag) {
    ReplicaView view = replica(at);
    view.lag = view.age = lag;
    return view;
}
ReplicaView down(std::uint64_t at) {
    ReplicaView view = replica(at);
    view.is_healthy = false;
    return view;
}
ReplicaView late(std::uint64_t at) {
    ReplicaView view = replica(at);
    view.is_late = true;
    return view;
}
ReplicaView gathering(std::uint64_t at, std::size_t reads) {
    ReplicaView view = replica(at, reads);
    view.is_gathering = true;
    return view;
}
ReplicaView unconnected(std::uint64_t at) {
    ReplicaView view = replica(at);
    view.is_connected = false;
    return view;
}

constexpr ReplicaDecision none{Kind::none, 0}, wait{Kind::wait, 0};
constexpr ReplicaDecision first{Kind::replica, 0}, second{Kind::replica, 1};

struct Case {
    std::string name;
    std::vector<ReplicaView> replicas;
    std::uint32_t history;
    ReadDemand demand;
    ReplicaDecision decision;
};

}  // namespace

TEST(ReplicaChoice, FollowsItsTable) {
    const ReadDemand at_100{{1, 100}};
    const ReadDemand age_2s{{1, 100}, milliseconds(2'000)};
    const std::vector<Case> cases{
        {"no replicas", {}, 1, at_100, none},
        {"just before", {replica(99)}, 1, at_100, wait},
        {"exactly there", {replica(100)}, 1, at_100, first},
        {"past it", {replica(101)}, 1, at_100, first},
        {"of two the one that is there", {replica(99), replica(100)}, 1, at_100, second},
        {"of two the less loaded", {replica(100, 5), replica(100, 4)}, 1, at_100, second},
        {"less loaded but behind", {replica(100, 5), replica(99, 0)}, 1, at_100, first},
        {"a batch is joined", {replica(100, 1), gathering(100, 4)}, 1, at_100, second},
        {"until it has taken its part",
         {replica(100, 1), gathering(100, 1 + batch_worth)},
         1,
         at_100,
         first},
        {"of a replica that is there", {replica(100, 9), gathering(99, 0)}, 1, at_100, first},
        {"a session that has seen nothing", {replica(1)}, 1, {}, first},
        {"down", {down(100)}, 1, at_100, none},
        {"late", {late(100)}, 1, at_100, none},
        {"late, for whoever it is young enough", {late(100)}, 1, age_2s, none},
        {"not connected", {unconnected(100)}, 1, at_100, none},
        {"lag at the limit is waited for", {behind(99, near_lag_max)}, 1, at_100, wait},
        {"lag beyond it is not", {behind(99, near_lag_max + milliseconds(1))}, 1, at_100, none},
        {"one far behind, one near",
         {behind(9, milliseconds(5'000)), replica(99)},
         1,
         at_100,
         wait},
        {"an older history does not count", {replica(200, 0, 1)}, 2, at_100, none},
        {"nor one that nobody else has", {replica(200, 0, 3)}, 2, at_100, none},
        {"the primary is not known", {replica(200, 0, 1)}, 0, at_100, first},
        {"a token of a newer history", {replica(200, 0, 1)}, 1, {{2, 100}}, wait},
        {"a token of an older history", {replica(200, 0, 2)}, 2, at_100, first},
        {"an unknown token", {replica(200)}, 1, {runtime::Position::unknown()}, wait},
        {"young enough, and there", {behind(100, milliseconds(2'000))}, 1, age_2s, first},
        {"young enough, but behind what was seen",
         {behind(99, milliseconds(900))},
         1,
         age_2s,
         wait},
        {"there, but too old", {behind(100, milliseconds(2'001))}, 1, age_2s, none},
        {"young enough for a session that has seen nothing",
         {behind(1, milliseconds(2'000))},
         1,
         {{}, milliseconds(2'000)},
         first},
        {"too old by a little", {behind(1, milliseconds(100))}, 1, {{}, milliseconds(50)}, wait},
    };
    for (const Case& each : cases) {
        const auto decision = choose_replica(each.replicas, each.history, each.demand);
        EXPECT_EQ(decision.kind, each.decision.kind) << each.name;
        if (decision.kind == Kind::replica)
            EXPECT_EQ(decision.replica, each.decision.replica) << each.name;
    }
}

TEST(ReplicaChoice, TakesTurnsBetweenEquals) {
    const std::vector<ReplicaView> replicas{replica(100), replica(100), replica(100)};
    for (std::size_t turn = 0; turn < 6; ++turn) {
        const ReplicaDecision expected{Kind::replica, turn % 3};
        EXPECT_EQ(choose_replica(replicas, 1, {{1, 100}}, turn), expected);
    }
}

TEST(ReplicaChoice, TheFurthestOfThoseThatTakePart) {
    const std::vector<ReplicaView> replicas{replica(50), down(90), replica(70), replica(80, 0, 2)};
    EXPECT_EQ(furthest_replica(replicas, 1), 2);
    EXPECT_EQ(furthest_replica(std::vector<ReplicaView>{replica(50), late(60)}, 1), 1);
    EXPECT_EQ(furthest_replica({}, 1), std::nullopt);
    EXPECT_EQ(furthest_replica(std::vector<ReplicaView>{down(90)}, 1), std::nullopt);
}

}  // namespace loadstone::store::internal
