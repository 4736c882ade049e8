#include "loadstone/jobs/internal/lanes.h"

#include <gtest/gtest.h>

#include <set>

namespace loadstone::jobs::internal {
namespace {

using std::chrono::seconds;

std::vector<std::unique_ptr<Kind>> kinds_of(
    std::initializer_list<std::tuple<const char*, const char*, int>> all) {
    std::vector<std::unique_ptr<Kind>> kinds;
    for (const auto& [name, queue, priority] : all) {
        auto kind = std::make_unique<Kind>();
        kind->name = name;
        kind->module = kind->queue = queue;
        kind->policy.priority = priority;
        kinds.push_back(std::move(kind));
    }
    return kinds;
}

struct LanesTest : testing::Test {
    std::vector<std::unique_ptr<Kind>> kinds = kinds_of(
        {{"mail.Send", "mail", 0}, {"mail.Urgent", "mail", 5}, {"reports.Make", "reports", 0}});
    Lanes lanes{kinds};
    Lanes::Clock::time_point now{seconds(1'000)};
    std::map<std::string, std::size_t> rooms{{"mail", 8}, {"reports", 4}};

    std::vector<LaneClaim> wanted() {
        return lanes.wanted([this](const std::string& queue) { return rooms.at(queue); }, now);
    }
    void claimed(const std::vector<LaneClaim>& asked, const std::vector<LaneResult>& got) {
        lanes.claimed(asked, got, now);
    }
    static LaneResult batch(std::int64_t asked, std::int64_t got) {
        LaneResult made;
        made.asked = asked;
        made.got = got;
        return made;
    }
    std::vector<std::string> names() {
        std::vector<std::string> found;
        for (const LaneClaim& claim : wanted())
            found.push_back(claim.queue + std::to_string(claim.priority));
        return found;
    }
};

TEST_F(LanesTest, AsksEachQueueForAllKindsOfItsModule) {
    kinds[2]->module = "mail";
    Lanes all(kinds);
    const auto wanted_of = [&](const char* queue) {
        std::set<std::string> found;
        for (const LaneClaim& claim : all.wanted([](const std::string&) { return 8; }, now)) {
            if (claim.queue == queue) found.insert(claim.kinds_json);
        }
        return found;
    };
    using Found = std::set<std::string>;
    EXPECT_EQ(wanted_of("mail"), Found{R"(["mail.Send","mail.Urgent","reports.Make"])"});
    EXPECT_EQ(wanted_of("reports"), Found{R"(["reports.Make","mail.Send","mail.Urgent"])"});
    // A hold concerns the queue of the kind alone.
    all.set_held({"reports.Make"}, now);
    EXPECT_EQ(wanted_of("mail"), Found{R"(["mail.Send","mail.Urgent","reports.Make"])"});
    EXPECT_EQ(wanted_of("reports"), Found{});
    all.set_held({"mail.Send"}, now);
    EXPECT_EQ(wanted_of("mail"), Found{R"(["mail.Urgent","reports.Make"])"});
    EXPECT_EQ(wanted_of("reports"), Found{R"(["reports.Make","mail.Send","mail.Urgent"])"});
}

TEST_F(LanesTest, AsksQueuesByTurnAndPrioritiesInOrder) {
    EXPECT_EQ(names(), (std::vector<std::string>{"mail5", "mail0", "reports0"}));
    EXPECT_EQ(names(), (std::vector<std::string>{"reports0", "mail5", "mail0"}));
    const auto claims = wanted();
    EXPECT_EQ(claims[0].count, 8);
    EXPECT_EQ(claims[2].count, 4);
    EXPECT_EQ(claims[0].kinds_json, R"(["mail.Send","mail.Urgent"])");
}

TEST_F(LanesTest, LeavesOutWhatHasNoRoomOrIsPaused) {
    rooms["mail"] = 0;
    EXPECT_EQ(names(), (std::vector<std::string>{"reports0"}));
    rooms["mail"] = 1;
    lanes.set_paused({"reports"});
    EXPECT_EQ(names(), (std::vector<std::string>{"mail5", "mail0"}));
    lanes.set_paused({});
    EXPECT_EQ(names().size(), 3U);
}

TEST_F(LanesTest, AsksNoMoreWhereLessWasGivenThanAskedUntilWoken) {
    claimed(wanted(), {batch(8, 8), batch(0, 0), batch(4, 3)});
    EXPECT_TRUE(lanes.has_backlog(now));
    EXPECT_EQ(names(), (std::vector<std::string>{"mail5", "mail0"}))
        << "of mail0 nothing was asked: mail5 took all the room";
    claimed(wanted(), {batch(8, 2), batch(6, 0)});
    EXPECT_FALSE(lanes.has_backlog(now));
    EXPECT_TRUE(wanted().empty());
    lanes.woken(now);
    EXPECT_EQ(wanted().size(), 3U);
}

TEST_F(LanesTest, AsksForNoKindThatIsHeld) {
    claimed(wanted(), {batch(8, 0), batch(8, 0), batch(4, 0)});
    EXPECT_TRUE(wanted().empty());
    lanes.set_held({"mail.Send"}, now);
    auto claims = wanted();
    ASSERT_EQ(claims.size(), 3U) << "what is held or not has changed";
    for (const LaneClaim& claim : claims) {
        if (claim.queue == "mail") {
            EXPECT_EQ(claim.kinds_json, R"(["mail.Urgent"])");
        }
    }
    lanes.set_held({"mail.Send", "mail.Urgent"}, now);
    EXPECT_EQ(names(), (std::vector<std::string>{"reports0"}));
    lanes.set_held({}, now);
    EXPECT_EQ(wanted().size(), 3U);
}

TEST_F(LanesTest, WhatASweepReadsInVainNoPollReadsAfterIt) {
    const auto claim_in_vain = [this] {
        lanes.woken(now);
        claimed(wanted(), {batch(8, 0), batch(8, 0), batch(4, 0)});
        return lanes.moved().size();
    };
    EXPECT_EQ(claim_in_vain(), 3U);
    EXPECT_EQ(claim_in_vain(), 0U);
    now += Lanes::sweep_every;
    EXPECT_EQ(claim_in_vain(), 3U);
}

// On PostgreSQL it is asked before the next claim, which would read what is held.
TEST_F(LanesTest, AKindThatIsHeldHasACursorPassItWhileItIs) {
    EXPECT_TRUE(lanes.set_held({"mail.Send"}, now));
    EXPECT_FALSE(lanes.set_held({"mail.Send"}, now));
    const auto moved = lanes.moved();
    ASSERT_EQ(moved.size(), 2U) << "those of the queue that has it";
    EXPECT_EQ(moved[0].kinds_json, R"(["mail.Urgent"])");
    lanes.advance(moved[1], 500, 1'000);
    const auto cursor = [this] {
        for (const LaneClaim& claim : wanted()) {
            if (claim.queue == "mail" && claim.priority == 0 && !claim.is_sweep)
                return claim.cursor;
        }
        return std::int64_t{-1};
    };
    claimed(wanted(), {batch(8, 0), batch(8, 0), batch(4, 0)});  // the sweeps
    lanes.woken(now);
    EXPECT_EQ(cursor(), 499);
    lanes.set_held({}, now);
    claimed(wanted(), {batch(8, 0), batch(8, 0), batch(4, 0)});
    lanes.woken(now);
    EXPECT_EQ(cursor(), 0);
    lanes.set_held({"mail.Send"}, now);
    EXPECT_EQ(cursor(), 499) << "what it has passed it need not read again";
}

TEST_F(LanesTest, OnSqliteTheCursorFollowsWhatIsTaken) {
    Lanes one{kinds, true};
    const auto room = [](const std::string&) { return std::size_t{8}; };
    auto claims = one.wanted(room, now);
    std::vector<LaneResult> results(claims.size(), batch(8, 0));
    results[0] = batch(8, 3);
    results[0].last_seq = 300'003;
    one.claimed(claims, results, now);
    ASSERT_EQ(one.moved().size(), claims.size() - 1) << "what was read in vain is looked at";
    one.woken(now);
    for (const LaneClaim& claim : one.wanted(room, now)) {
        const bool is_first =
            claim.queue == claims[0].queue && claim.priority == claims[0].priority;
        EXPECT_EQ(claim.cursor, is_first ? 300'003 : 0);
    }
}

TEST_F(LanesTest, APausedBacklogIsNone) {
    claimed(wanted(), {batch(8, 0), batch(8, 0), batch(4, 4)});
    EXPECT_TRUE(lanes.has_backlog(now));
    lanes.set_paused({"reports"});
    EXPECT_FALSE(lanes.has_backlog(now));
}

TEST_F(LanesTest, LearnsPrioritiesOfItsQueuesOnly) {
    lanes.learn({"mail", "", 3, 1});
    lanes.learn({"mail", "", 3, 1});
    lanes.learn({"others", "", 0, 1});
    EXPECT_EQ(names(), (std::vector<std::string>{"mail5", "mail3", "mail0", "reports0"}));
}

TEST_F(LanesTest, ThePlacesAreDecidedWhenAllThatHadBegunHasEnded) {
    EXPECT_EQ(lanes.horizon(100, {50, 60}), 0) << "50 to 59 are under way";
    EXPECT_EQ(lanes.horizon(200, {55, 70}), 0);
    EXPECT_EQ(lanes.horizon(300, {60, 80}), 100) << "those under way at the first look have ended";
    EXPECT_EQ(lanes.horizon(400, {79, 90}), 100);
    EXPECT_EQ(lanes.horizon(500, {80, 95}), 300);
}

TEST_F(LanesTest, ACursorStopsBeforeTheFirstReadyJobAndAtTheHorizon) {
    lanes.horizon(1'000, {50, 60});
    const auto cursor = [this] {
        lanes.woken(now);
        return wanted().front().cursor;
    };
    rooms["reports"] = 0;
    claimed(wanted(), {batch(8, 8)});
    auto moved = lanes.moved();
    ASSERT_EQ(moved.size(), 1U);
    EXPECT_EQ(moved[0].queue, "mail");
    EXPECT_EQ(moved[0].priority, 5);
    lanes.advance(moved[0], 42, 1'000);
    EXPECT_EQ(cursor(), 41);
    EXPECT_TRUE(lanes.moved().empty());

    claimed(wanted(), {batch(8, 8)});
    moved = lanes.moved();
    lanes.advance(moved.at(0), std::nullopt, 60);
    EXPECT_EQ(cursor(), 60) << "behind it somebody may still commit";
    moved = lanes.moved();
    ASSERT_EQ(moved.size(), 1U) << "until the horizon has moved it is looked at again";
    lanes.advance(moved[0], 50, 70);
    EXPECT_EQ(cursor(), 60) << "it never goes back";
}

TEST_F(LanesTest, SweepsFromWhereTheCursorStoodAtTheSweepBefore) {
    rooms["reports"] = 0;
    const auto look = [this] {
        auto asked = wanted();
        claimed(asked, {batch(8, 8), batch(0, 0)});
        return asked.front();
    };
    const auto advance = [this](std::int64_t first) {
        lanes.advance(lanes.moved().at(0), first, 1'000'000);
    };
    EXPECT_TRUE(look().is_sweep);
    advance(43);
    EXPECT_EQ(look().cursor, 42);
    now += Lanes::sweep_every;
    advance(100);
    EXPECT_EQ(look().cursor, 0) << "it stood at the front";
    advance(200);
    now += Lanes::sweep_every;
    EXPECT_EQ(look().cursor, 99);
    EXPECT_EQ(look().cursor, 199);
}

TEST_F(LanesTest, ASweepThatCouldNotBeMadeIsMadeLater) {
    rooms["reports"] = 0;
    EXPECT_TRUE(wanted().front().is_sweep);
    claimed(wanted(), {batch(0, 0), batch(0, 0)});
    EXPECT_TRUE(wanted().front().is_sweep);
}

TEST_F(LanesTest, BeginsAnewWhenTheSequenceHasGoneBack) {
    rooms["reports"] = 0;
    claimed(wanted(), {batch(8, 8)});
    lanes.horizon(900, {50, 60});
    lanes.advance(lanes.moved().at(0), 500, lanes.horizon(950, {60, 70}));
    EXPECT_EQ(wanted().front().cursor, 499);
    EXPECT_EQ(lanes.horizon(400, {10, 20}), 0);
    EXPECT_EQ(wanted().front().cursor, 0);
}

// Lanes with a partition: tenants and limits.
struct SharesTest : testing::Test {
    std::vector<std::unique_ptr<Kind>> kinds = kinds_of({{"mail.Send", "mail", 0}});
    Lanes lanes{kinds};
    Lanes::Clock::time_point now{seconds(1'000)};

    void find(const std::string& partition, std::int64_t seq = 1, int priority = 0) {
        lanes.learn({"mail", partition, priority, seq});
    }
    std::vector<LaneClaim> wanted(std::size_t room) {
        return lanes.wanted([room](const std::string&) { return room; }, now);
    }
    // A claim in which every lane gives all it is asked for; how many of each partition.
    std::map<std::string, double> take(std::size_t room) {
        const auto claims = wanted(room);
        std::vector<LaneResult> results;
        std::map<std::string, double> got;
        for (const LaneClaim& claim : claims) {
            LaneResult result;
            const bool is_plain = claim.partition_key.empty();
            result.asked = claim.count;
            result.got = is_plain ? 0 : claim.count;
            results.push_back(result);
            if (!is_plain) got[claim.partition_key] += static_cast<double>(result.got);
        }
        lanes.claimed(claims, results, now);
        return got;
    }
    std::map<std::string, double> take_often(std::size_t room, int times) {
        std::map<std::string, double> all;
        for (int i = 0; i < times; ++i) {
            for (const auto& [partition, count] : take(room)) all[partition] += count;
        }
        return all;
    }
};

TEST_F(SharesTest, EachTenantGetsAsMuch) {
    for (const char* tenant : {"a", "b", "c"}) find(tenant);
    const auto got = take_often(7, 300);
    for (const char* tenant : {"a", "b", "c"}) EXPECT_NEAR(got.at(tenant), 700, 8) << tenant;
}

// A start each 10 ms for all of them: whoever is held up comes back to where it stood.
TEST_F(SharesTest, TenantsUnderOneThrottleTakeTurns) {
    for (const char* tenant : {"big", "small"}) find(std::string(tenant) + "|rate:x");
    std::map<std::string, std::int64_t> got;
    for (int tick = 0; tick < 200; ++tick) {
        now += std::chrono::milliseconds(10);
        std::int64_t left = 1;
        for (int look = 0; look < 2; ++look) {
            const auto claims = wanted(8);
            std::vector<LaneResult> results;
            for (const LaneClaim& claim : claims) {
                LaneResult result;
                const bool is_plain = claim.partition_key.empty();
                result.asked = is_plain ? claim.count : std::min(claim.count, left);
                result.got = is_plain ? 0 : result.asked;
                if (result.asked == 0) result.retry_in_us = 10'000;
                left -= result.got;
                got[claim.partition_key] += result.got;
                results.push_back(result);
            }
            lanes.claimed(claims, results, now);
        }
    }
    EXPECT_NEAR(static_cast<double>(got["big|rate:x"]), 100, 5);
    EXPECT_NEAR(static_cast<double>(got["small|rate:x"]), 100, 5);
}

TEST_F(SharesTest, AWeightIsAMultiple) {
    lanes.set_weights({{"b", 3.0}});
    for (const char* tenant : {"a", "b"}) find(tenant);
    const auto got = take_often(4, 500);
    EXPECT_NEAR(got.at("b"), 1'500, 12);
}

TEST_F(SharesTest, ATenantWithManyKeysHasOneShare) {
    for (int i = 0; i < 10; ++i) find("big|mail:" + std::to_string(i));
    find("small|mail:1");
    const auto got = take_often(10, 200);
    EXPECT_NEAR(got.at("small|mail:1"), 1'000, 12);
    for (int i = 0; i < 10; ++i)
        EXPECT_NEAR(got.at("big|mail:" + std::to_string(i)), 100, 20) << "and its keys take turns";
}

TEST_F(SharesTest, WhoHadNothingWaitingSavesNothingUp) {
    find("busy");
    take_often(8, 1'000);
    find("late");
    const auto got = take_often(8, 100);
    EXPECT_NEAR(got.at("late"), 400, 16);
    EXPECT_NEAR(got.at("busy"), 400, 16);
}

TEST_F(SharesTest, OneAloneGetsAllTheRoom) {
    find("only");
    take(64);  // and the lane without a partition is found empty
    EXPECT_EQ(take(64).at("only"), 64);
}

TEST_F(SharesTest, ManyLanesAreAskedForAFewAtATime) {
    for (int i = 0; i < 1'000; ++i) find("t" + std::to_string(i));
    EXPECT_LE(wanted(64).size(), 17U);
    EXPECT_EQ(wanted(16).size(), 16U) << "where there is little room each gets one";
    const auto got = take_often(64, 1'000);
    EXPECT_EQ(got.size(), 1'000U);
    for (const auto& [tenant, count] : got) EXPECT_NEAR(count, 64, 8) << tenant;
}

TEST_F(SharesTest, MoreLanesAreAskedWhereEachHasLittle) {
    for (int i = 0; i < 1'000; ++i) find("t" + std::to_string(i));
    take(512);  // and the lane without a partition is found empty
    auto claims = wanted(512);
    EXPECT_EQ(claims.size(), 16U);
    const auto claim_again = [&](bool gives_all) {
        std::vector<LaneResult> results(claims.size());
        for (std::size_t i = 0; i < claims.size(); ++i) {
            // As limits allow.
            results[i].asked = gives_all || i % 2 == 0 ? claims[i].count : 1;
            results[i].got = gives_all ? claims[i].count : 1;
        }
        lanes.claimed(claims, results, now);
        claims = wanted(512);
    };
    for (const std::size_t asked : {32, 64, 64}) {
        claim_again(false);
        EXPECT_EQ(claims.size(), asked);
        for (const LaneClaim& claim : claims)
            EXPECT_EQ(claim.count, 512 / static_cast<std::int64_t>(asked));
    }
    for (const std::size_t asked : {32, 16, 16}) {
        claim_again(true);
        EXPECT_EQ(claims.size(), asked);
    }
}

TEST_F(SharesTest, AnEmptyLaneIsForgottenAndLearntAgain) {
    find("a");
    auto claims = wanted(8);
    ASSERT_EQ(claims.size(), 2U);
    EXPECT_EQ(lanes.keyed_lanes(), 1U);
    std::vector<LaneResult> results(2);
    for (std::size_t i = 0; i < 2; ++i) results[i].asked = claims[i].count;
    lanes.claimed(claims, results, now);
    EXPECT_EQ(lanes.keyed_lanes(), 0U);
    lanes.set_seen(80);
    find("a", 77);
    claims = wanted(8);
    ASSERT_EQ(claims.size(), 1U) << "the plain lane gave nothing and nobody has woken it";
    EXPECT_EQ(claims[0].cursor, 76);
}

TEST_F(SharesTest, ALaneThatIsNewIsClaimedFromTheLastPlaceThatIsDecided) {
    const auto cursor = [this] { return wanted(8).back().cursor; };
    lanes.set_seen(5);
    find("a", 9);
    EXPECT_EQ(cursor(), 5) << "one before it may be committed yet";
    lanes.set_seen(7);
    find("a", 10);
    EXPECT_EQ(cursor(), 5);
    find("a", 4);
    EXPECT_EQ(cursor(), 3) << "a claim was rolled back";
    Lanes of_one_writer(kinds, true);
    of_one_writer.learn({"mail", "b", 0, 9});
    const auto room = [](const std::string&) { return std::size_t{8}; };
    EXPECT_EQ(of_one_writer.wanted(room, now).back().cursor, 8);
}

TEST_F(SharesTest, WhileAKindIsHeldAnEmptyLaneIsKept) {
    std::vector<std::unique_ptr<Kind>> two =
        kinds_of({{"mail.Send", "mail", 0}, {"mail.Other", "mail", 0}});
    Lanes held(two);
    held.learn({"mail", "a", 0, 5});
    held.set_held({"mail.Send"}, now);
    const auto room = [](const std::string&) { return std::size_t{8}; };
    const auto claims = held.wanted(room, now);
    std::vector<LaneResult> results(claims.size());
    for (std::size_t i = 0; i < claims.size(); ++i) results[i].asked = claims[i].count;
    held.claimed(claims, results, now);
    EXPECT_EQ(held.keyed_lanes(), 1U);
    EXPECT_FALSE(held.has_backlog(now));
    held.set_held({}, now);
    EXPECT_TRUE(held.has_backlog(now)) << "what was held stands there still";
}

TEST_F(SharesTest, WhatALimitHoldsUpIsAskedForWhenItIsOver) {
    find("a|mail:x");
    const auto limited = [this](std::int64_t retry_in_us, bool is_full) {
        const auto claims = wanted(8);
        std::vector<LaneResult> results(claims.size());
        for (std::size_t i = 0; i < claims.size(); ++i) {
            if (claims[i].partition_key.empty()) {
                results[i].asked = claims[i].count;
            } else {
                results[i].retry_in_us = retry_in_us;
                results[i].is_full = is_full;
            }
        }
        lanes.claimed(claims, results, now);
    };
    limited(200'000, false);
    EXPECT_FALSE(lanes.has_backlog(now));
    ASSERT_TRUE(lanes.next_change());
    EXPECT_EQ(*lanes.next_change() - now, std::chrono::milliseconds(200));
    lanes.released({"mail:x"});
    lanes.woken(now);
    EXPECT_EQ(*lanes.next_change() - now, std::chrono::milliseconds(200)) << "time alone frees it";
    now += std::chrono::milliseconds(200);
    EXPECT_TRUE(lanes.has_backlog(now));

    limited(0, true);
    EXPECT_EQ(*lanes.next_change() - now, KeyedLanes::full_for);
    lanes.woken(now);
    EXPECT_EQ(*lanes.next_change() - now, KeyedLanes::full_for_min);
    lanes.released({"mail:other"});
    EXPECT_FALSE(lanes.next_change() == std::nullopt);
    lanes.released({"mail:x"});
    EXPECT_EQ(lanes.next_change(), std::nullopt);
    EXPECT_TRUE(lanes.has_backlog(now));
}

TEST_F(SharesTest, LowerPrioritiesWaitForTheSharers) {
    find("a", 1, 5);
    find("b", 1, 5);
    for (const LaneClaim& claim : wanted(8)) EXPECT_EQ(claim.priority, 5);
}

TEST_F(SharesTest, ACursorFollowsWhatWasTakenUpToTheHorizon) {
    find("a", 10);
    lanes.horizon(20, {5, 6});
    lanes.horizon(30, {6, 7});
    const auto take_to = [this](std::int64_t last) {
        const auto claims = wanted(8);
        std::vector<LaneResult> results(claims.size());
        for (std::size_t i = 0; i < claims.size(); ++i) {
            results[i].asked = claims[i].count;
            if (claims[i].partition_key.empty()) continue;
            results[i].got = claims[i].count;
            results[i].last_seq = last;
        }
        lanes.claimed(claims, results, now);
    };
    take_to(15);
    EXPECT_EQ(wanted(8).back().cursor, 15);
    take_to(28);
    EXPECT_EQ(wanted(8).back().cursor, 20);
    find("a", 13);
    EXPECT_EQ(wanted(8).back().cursor, 12) << "what slipped through the gap";
}

// A tenant that a limit holds up saves its share up, and then has all places for as long.
TEST_F(LanesTest, ATenantThatWasLimitedSavesNothingUp) {
    lanes.learn({"mail", "held|host:x", 0, 1});
    lanes.learn({"mail", "busy", 0, 2});
    for (int i = 0; i < 1'000; ++i) {
        const auto asked = wanted();
        std::vector<LaneResult> results;
        for (const LaneClaim& claim : asked) {
            LaneResult result = batch(claim.count, claim.count);
            if (claim.partition_key == "held|host:x") {
                result = batch(0, 0);
                result.is_full = true;
            } else if (claim.partition_key.empty()) {
                result = batch(claim.count, 0);
            }
            results.push_back(result);
        }
        claimed(asked, results);
        now += std::chrono::milliseconds(10);
    }
    // The limit is lifted: both have jobs without end.
    now += seconds(2);
    int without = 0;
    for (;; ++without) {
        const auto asked = wanted();
        std::vector<LaneResult> results;
        bool busy = false;
        for (const LaneClaim& claim : asked) {
            busy = busy || claim.partition_key == "busy";
            results.push_back(batch(claim.count, claim.partition_key.empty() ? 0 : claim.count));
        }
        claimed(asked, results);
        if (busy || without > 5'000) break;
    }
    EXPECT_LT(without, 10) << "claims in a row in which the other tenant got nothing";
}

TEST_F(LanesTest, SuspectsAreClaimedApartFromAllOthersAndOneAtATime) {
    const std::string partition = "acme|loadstone.suspect:mail";
    const auto room = [this](const std::string& queue) { return rooms.at(queue); };
    EXPECT_FALSE(lanes.has_suspects(now));
    EXPECT_TRUE(lanes.suspect_wanted(room, now).empty());
    lanes.learn({"mail", partition, 0, 7});
    EXPECT_EQ(names(), (std::vector<std::string>{"mail5", "mail0", "reports0"}));
    ASSERT_TRUE(lanes.has_suspects(now));
    const auto claims = lanes.suspect_wanted(room, now);
    ASSERT_EQ(claims.size(), 1U);
    EXPECT_EQ(claims[0].partition_key, partition);
    EXPECT_EQ(claims[0].count, 1);
    claimed(claims, {batch(1, 1)});
    EXPECT_TRUE(lanes.has_suspects(now)) << "there may be more";
    claimed(lanes.suspect_wanted(room, now), {batch(1, 0)});
    EXPECT_FALSE(lanes.has_suspects(now));
    EXPECT_TRUE(lanes.has_backlog(now)) << "of others";
}

TEST_F(LanesTest, SuspectsOfAPausedQueueWait) {
    lanes.learn({"mail", "|loadstone.suspect:mail", 0, 7});
    lanes.set_paused({"mail"});
    EXPECT_FALSE(lanes.has_suspects(now));
    EXPECT_FALSE(lanes.knows_suspects()) << "nobody waits for them here";
    lanes.set_paused({});
    EXPECT_TRUE(lanes.has_suspects(now));
    EXPECT_TRUE(lanes.knows_suspects());
    lanes.forget_suspects();
    EXPECT_FALSE(lanes.has_suspects(now));
    EXPECT_FALSE(lanes.knows_suspects());
}

TEST_F(LanesTest, SuspectsThatWaitForAnotherAreKnown) {
    const auto room = [this](const std::string& queue) { return rooms.at(queue); };
    lanes.learn({"mail", "|loadstone.suspect:mail", 0, 7});
    LaneResult full = batch(1, 0);
    full.is_full = true;
    claimed(lanes.suspect_wanted(room, now), {full});
    EXPECT_FALSE(lanes.has_suspects(now));
    EXPECT_TRUE(lanes.knows_suspects());
}

}  // namespace
}  // namespace loadstone::jobs::internal
