#include "loadstone/store/internal/connection_shares.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "loadstone/base/random.h"

namespace loadstone::store::internal {
namespace {

constexpr int left_percent = 10;
constexpr ConnectionNeed need{.least = 10, .most = 33};

ServerRoom room(std::size_t nodes, std::size_t declared_by_others, std::size_t open) {
    return {.connections_max = 100,
            .reserved = 3,
            .open = open,
            .nodes = nodes,
            .declared_by_others = declared_by_others};
}

TEST(ConnectionShares, APartOfTheServerIsLeftForOthers) {
    EXPECT_EQ(shared_connections(room(1, 0, 0), 0), 97U);
    EXPECT_EQ(shared_connections(room(1, 0, 0), 10), 87U) << "9.7 are rounded up";
    EXPECT_EQ(shared_connections({.connections_max = 3, .reserved = 5}, 10), 0U);
}

TEST(ConnectionShares, EachNodeHasItsPartBetweenLeastAndMost) {
    EXPECT_EQ(target_of(room(1, 0, 0), need, left_percent), 33U);
    EXPECT_EQ(target_of(room(2, 0, 0), need, left_percent), 33U);
    EXPECT_EQ(target_of(room(3, 0, 0), need, left_percent), 29U);
    EXPECT_EQ(target_of(room(8, 0, 0), need, left_percent), 10U);
    EXPECT_EQ(target_of(room(80, 0, 0), need, left_percent), 10U) << "less is no use";
    EXPECT_EQ(target_of(room(0, 0, 0), need, left_percent), 33U);
}

struct Step {
    const char* name;
    ServerRoom room;
    Holding now;
    std::size_t own_open;
    Holding next;
};

TEST(ConnectionShares, NextStepByTable) {
    const std::vector<Step> steps = {
        {"the first node has all that it can use", room(1, 0, 1), {0, 1}, 1, {33, 33}},
        {"who joins waits for what others have", room(4, 86, 60), {0, 1}, 1, {0, 1}},
        {"one connection short of the least", room(4, 78, 60), {0, 1}, 1, {0, 1}},
        {"the least", room(4, 77, 60), {0, 1}, 1, {10, 10}},
        {"the target, when others have left it", room(4, 60, 60), {10, 10}, 9, {21, 21}},
        {"no more than is undeclared", room(4, 70, 60), {10, 10}, 9, {17, 17}},
        {"fewer at once, declared until they are closed", room(4, 60, 80), {33, 33}, 30, {21, 33}},
        {"what is still open stays declared", room(4, 60, 80), {21, 33}, 25, {21, 25}},
        {"what is closed is not declared any more", room(4, 60, 80), {21, 25}, 20, {21, 21}},
        {"what dead processes have open is not taken", room(2, 10, 90), {10, 10}, 10, {17, 17}},
        {"nothing is taken from a crowded server", room(2, 10, 97), {10, 10}, 10, {10, 10}},
        {"settled", room(2, 33, 60), {33, 33}, 20, {33, 33}},
        {"more nodes than the server has room for", room(12, 87, 80), {10, 10}, 9, {10, 10}},
    };
    for (const Step& step : steps)
        EXPECT_EQ(next_holding(step.room, need, left_percent, step.now, step.own_open), step.next)
            << step.name;
}

// Of a replica with 16 connections for other than superusers, 14 of which are shared; each of two
// loops is to have a read and a heavy read there. Who joins has two open, to watch and to
// negotiate, before it has any part.
TEST(ConnectionShares, NextStepOnAReplicaByTable) {
    constexpr ConnectionNeed of_reads{.least = 6, .most = 14};
    const auto replica = [](std::size_t nodes, std::size_t declared_by_others, std::size_t open) {
        return ServerRoom{.connections_max = 100,
                          .reserved = 84,
                          .open = open,
                          .nodes = nodes,
                          .declared_by_others = declared_by_others};
    };
    const std::vector<Step> steps = {
        {"the first node has all that it can use", replica(1, 0, 2), {0, 2}, 2, {14, 14}},
        {"the second waits for the first", replica(2, 14, 16), {0, 2}, 2, {0, 2}},
        {"which gives up a half", replica(2, 2, 16), {14, 14}, 14, {7, 14}},
        {"and says so when it has no more", replica(2, 2, 9), {7, 14}, 7, {7, 7}},
        {"what it has closed and the server still has", replica(2, 7, 13), {0, 2}, 2, {0, 2}},
        {"the second begins", replica(2, 7, 9), {0, 2}, 2, {7, 7}},
        {"two leave no room for a third", replica(3, 12, 14), {0, 2}, 2, {0, 2}},
        {"nor do they give up what they need", replica(3, 8, 14), {6, 6}, 6, {6, 6}},
        {"until one of them goes", replica(2, 6, 8), {0, 2}, 2, {7, 7}},
        {"and all is the last one's", replica(1, 0, 7), {7, 7}, 7, {14, 14}},
    };
    for (const Step& step : steps)
        EXPECT_EQ(next_holding(step.room, of_reads, left_percent, step.now, step.own_open),
                  step.next)
            << step.name;
}

// A node of a server with as many of them as come and go.
struct Node {
    Holding holding{0, 1};
    std::size_t open = 1;
    bool is_alive = true;
};

std::size_t declared_but(const std::vector<Node>& nodes, const Node& own) {
    std::size_t sum = 0;
    for (const Node& node : nodes) {
        if (&node != &own && node.is_alive) sum += node.holding.declared;
    }
    return sum;
}

// Nodes step in any order, open what they may and close when they like; some die, and the server
// sees that at once or, for what is busy, later. Never have the living more than they share.
TEST(ConnectionShares, WhatIsOpenNeverExceedsWhatIsShared) {
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        SCOPED_TRACE(seed);
        Random random(seed);
        std::vector<Node> nodes(1);
        std::size_t of_the_dead = 0;
        const std::size_t shared = shared_connections(room(1, 0, 0), left_percent);
        for (int i = 0; i < 400; ++i) {
            Node& node = nodes[random.below(nodes.size())];
            const auto live = static_cast<std::size_t>(
                std::ranges::count_if(nodes, [](const Node& each) { return each.is_alive; }));
            std::size_t open = of_the_dead;
            for (const Node& each : nodes) open += each.open;
            ASSERT_LE(open - of_the_dead, shared + 8)
                << "the first of who joins is from what is left";
            if (node.is_alive) {
                const ServerRoom seen = room(live, declared_but(nodes, node), open);
                node.holding = next_holding(seen, need, left_percent, node.holding, node.open);
                ASSERT_TRUE(node.holding.granted == 0 || node.holding.granted >= need.least);
                ASSERT_GE(node.holding.declared, node.open);
                std::size_t granted = 0;
                for (const Node& each : nodes) granted += each.is_alive ? each.holding.granted : 0;
                ASSERT_LE(granted, shared);
            }
            switch (random.below(4)) {
                case 0:
                    if (node.is_alive && node.open < node.holding.granted)
                        node.open += random.below(node.holding.granted - node.open + 1);
                    break;
                case 1:
                    if (node.is_alive) node.open = 1 + random.below(node.open);
                    break;
                case 2:
                    if (nodes.size() < 8) nodes.emplace_back();
                    break;
                default:
                    of_the_dead = random.below(of_the_dead + 1);
                    if (random.below(10) == 0 && node.is_alive && live > 1) {
                        of_the_dead += random.below(node.open + 1);
                        node = Node{.open = 0, .is_alive = false};
                    }
            }
        }
    }
}

TEST(ConnectionShares, WritesHaveHalfOfWhatIsAboveTheLeast) {
    const ConnectionCounts least{.writes = 2, .reads = 2, .heavy = 2, .others = 4};
    const ConnectionCounts most{
        .writes = 17, .reads = 2, .more_reads = 4, .heavy = 2, .more_heavy = 4, .others = 4};
    EXPECT_EQ(split(10, least, most), least);
    EXPECT_EQ(split(3, least, most), least) << "less is no use";
    const ConnectionCounts some{
        .writes = 6, .reads = 2, .more_reads = 2, .heavy = 2, .more_heavy = 2, .others = 4};
    EXPECT_EQ(split(18, least, most), some);
    EXPECT_EQ(split(33, least, most), most);
    EXPECT_EQ(split(99, least, most), most);
    for (std::size_t granted = 10; granted <= 33; ++granted)
        EXPECT_EQ(sum(split(granted, least, most)), granted);
}

TEST(ConnectionShares, WhereThereAreNoWritesReadsAndHeavyReadsHaveHalfEach) {
    const ConnectionCounts least{.reads = 2, .heavy = 2, .others = 2};
    const ConnectionCounts most{
        .reads = 2, .more_reads = 4, .heavy = 2, .more_heavy = 4, .others = 2};
    const ConnectionCounts some{
        .reads = 2, .more_reads = 3, .heavy = 2, .more_heavy = 3, .others = 2};
    EXPECT_EQ(split(6, least, most), least);
    EXPECT_EQ(split(12, least, most), some);
    EXPECT_EQ(split(14, least, most), most);
    for (std::size_t granted = 6; granted <= 14; ++granted)
        EXPECT_EQ(sum(split(granted, least, most)), granted);
}

}  // namespace
}  // namespace loadstone::store::internal
