#include "loadstone/jobs/internal/lanes.h"

#include <gtest/gtest.h>

namespace loadstone::jobs::internal {
namespace {

using std::chrono::seconds;

std::vector<std::unique_ptr<Kind>> kinds_of(
    std::initializer_list<std::tuple<const char*, const char*, int>> all) {
    std::vector<std::unique_ptr<Kind>> kinds;
    for (const auto& [name, queue, priority] : all) {
        auto kind = std::make_unique<Kind>();
        kind->name = name;
        kind->queue = queue;
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
    void claimed(const std::vector<LaneClaim>& asked, const std::vector<Batch>& got) {
        lanes.claimed(asked, got, now);
    }
    static Batch batch(std::int64_t asked, std::size_t got) {
        Batch made;
        made.id = got > 0 ? 1 : 0;
        made.asked = asked;
        made.jobs.resize(got);
        return made;
    }
    std::vector<std::string> names() {
        std::vector<std::string> found;
        for (const LaneClaim& claim : wanted())
            found.push_back(claim.queue + std::to_string(claim.priority));
        return found;
    }
};

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
    EXPECT_TRUE(lanes.has_backlog());
    EXPECT_EQ(names(), (std::vector<std::string>{"mail5", "mail0"}))
        << "of mail0 nothing was asked: mail5 took all the room";
    claimed(wanted(), {batch(8, 2), batch(6, 0)});
    EXPECT_FALSE(lanes.has_backlog());
    EXPECT_TRUE(wanted().empty());
    lanes.woken();
    EXPECT_EQ(wanted().size(), 3U);
}

TEST_F(LanesTest, AsksForNoKindThatIsHeld) {
    claimed(wanted(), {batch(8, 0), batch(8, 0), batch(4, 0)});
    EXPECT_TRUE(wanted().empty());
    lanes.set_held({"mail.Send"});
    auto claims = wanted();
    ASSERT_EQ(claims.size(), 3U) << "what is held or not has changed";
    for (const LaneClaim& claim : claims) {
        if (claim.queue == "mail") {
            EXPECT_EQ(claim.kinds_json, R"(["mail.Urgent"])");
        }
    }
    lanes.set_held({"mail.Send", "mail.Urgent"});
    EXPECT_EQ(names(), (std::vector<std::string>{"reports0"}));
    lanes.set_held({});
    EXPECT_EQ(wanted().size(), 3U);
}

TEST_F(LanesTest, APausedBacklogIsNone) {
    claimed(wanted(), {batch(8, 0), batch(8, 0), batch(4, 4)});
    EXPECT_TRUE(lanes.has_backlog());
    lanes.set_paused({"reports"});
    EXPECT_FALSE(lanes.has_backlog());
}

TEST_F(LanesTest, LearnsPrioritiesOfItsQueuesOnly) {
    lanes.learn("mail", 3);
    lanes.learn("mail", 3);
    lanes.learn("others", 0);
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
        lanes.woken();
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

}  // namespace
}  // namespace loadstone::jobs::internal
