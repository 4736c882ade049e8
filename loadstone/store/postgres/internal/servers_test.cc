#include "loadstone/store/postgres/internal/servers.h"

#include <gtest/gtest.h>

namespace loadstone::store::postgres {

namespace {

constexpr std::int64_t ours = 7, foreign = 8;

// One server of the database's URL, two of replicas.
class ServersOfSystems : public ::testing::Test {
protected:
    void answers(std::size_t server, std::int64_t system, bool is_standby, std::int64_t history) {
        servers_.answered(server, {is_standby, system, 100, history}, now_);
    }
    void primary(std::size_t server, std::int64_t system, std::int64_t history = 1) {
        answers(server, system, false, history);
    }
    void standby(std::size_t server, std::int64_t system, std::int64_t history = 1) {
        answers(server, system, true, history);
    }

    void wait() { now_ += ReplicaOptions().silent_max; }

    Servers::Clock::time_point now_ = Servers::Clock::now();
    telemetry::Registry registry_;
    Servers servers_{{"a", "b", "c"}, 1, ReplicaOptions{}, registry_};
};

}  // namespace

TEST_F(ServersOfSystems, AForeignPrimaryIsNone) {
    primary(0, ours);
    standby(1, ours);
    for (const std::int64_t history : {1, 2}) {
        primary(2, foreign, history);
        EXPECT_TRUE(servers_.may_be_primary(0));
        EXPECT_FALSE(servers_.may_be_primary(2));
        EXPECT_FALSE(servers_.is_usable(2));
        EXPECT_EQ(servers_.history(), 1);
    }
    EXPECT_TRUE(servers_.is_usable(1));
    servers_.is_silent(2);
    EXPECT_FALSE(servers_.may_be_primary(2));
}

TEST_F(ServersOfSystems, TheLagOfASilentOneGrows) {
    using std::chrono::seconds;
    EXPECT_GT(servers_.lag_now(1).count(), 0);  // it was never heard of
    primary(0, ours);
    standby(1, ours);
    EXPECT_EQ(servers_.lag_now(1), seconds(0));
    servers_.is_silent(1);
    const auto before = servers_.lag_now(1);
    EXPECT_GT(before, seconds(0));
    EXPECT_EQ(servers_.lag(1), seconds(0));
    EXPECT_GT(servers_.lag_now(1), before);
    standby(1, ours);
    EXPECT_EQ(servers_.lag_now(1), seconds(0));
    // Farther behind than the trail tells.
    servers_.answered(1, {true, ours, 1, 1}, now_);
    servers_.is_silent(1);
    EXPECT_EQ(servers_.lag_now(1), std::chrono::nanoseconds::max());
}

TEST_F(ServersOfSystems, AForeignOneThatAnswersFirstIsNone) {
    primary(2, foreign, 2);
    EXPECT_FALSE(servers_.may_be_primary(2));
    standby(1, ours);
    wait();
    primary(2, foreign, 2);
    EXPECT_FALSE(servers_.may_be_primary(2));
    primary(0, ours);
    EXPECT_EQ(servers_.history(), 1);
    standby(1, ours);
    EXPECT_TRUE(servers_.is_usable(1));
}

TEST_F(ServersOfSystems, WithoutThatOfTheUrlAnotherIsFoundWhereTheyAgree) {
    EXPECT_FALSE(servers_.may_be_primary(1));  // nobody knows what it is
    EXPECT_TRUE(servers_.may_be_primary(0));
    standby(2, ours);
    EXPECT_TRUE(servers_.is_usable(2));
    primary(1, ours, 2);
    EXPECT_FALSE(servers_.may_be_primary(1));  // that of the URL may only be slow
    wait();
    primary(1, ours, 2);
    EXPECT_TRUE(servers_.may_be_primary(1));
    EXPECT_EQ(servers_.history(), 2);
    primary(0, ours);
    EXPECT_FALSE(servers_.may_be_primary(0));
}

TEST_F(ServersOfSystems, OneWithoutRoomForThisProcessIsNotUsable) {
    primary(0, ours);
    standby(1, ours);
    standby(2, ours);
    servers_.set_room(1, false);
    EXPECT_TRUE(servers_.is_replica(1));
    EXPECT_FALSE(servers_.is_usable(1));
    EXPECT_TRUE(servers_.is_usable(2));
    servers_.set_room(1, true);
    EXPECT_TRUE(servers_.is_usable(1));
    EXPECT_TRUE(servers_.is_primary(0));
    EXPECT_FALSE(servers_.is_primary(1));
}

TEST_F(ServersOfSystems, ThereIsNoPrimaryWhileItIsSilent) {
    EXPECT_FALSE(servers_.has_primary());
    primary(0, ours);
    standby(1, ours);
    EXPECT_TRUE(servers_.has_primary());
    servers_.is_silent(0);
    EXPECT_FALSE(servers_.has_primary());
    EXPECT_TRUE(servers_.is_replica(1));
}

TEST_F(ServersOfSystems, OneThatIsSilentMayBePromotedMeanwhile) {
    primary(0, ours);
    standby(1, ours);
    servers_.is_silent(1);
    EXPECT_TRUE(servers_.may_be_primary(1));
}

}  // namespace loadstone::store::postgres
