// Read replicas never lie: whatever happens to the servers, a session sees what it wrote, on any
// node, and nothing less than it has seen.
#include <fmt/core.h>

#include "tests/conformance/replica_sessions.h"

namespace tests::conformance {

namespace {

using loadstone::runtime::Position;
using std::chrono::milliseconds;

class Replicas : public ::testing::Test {
protected:
    Replicas() : options_(servers_.options()) {}

    TestStore& node(int index) {
        auto& node = nodes_[static_cast<std::size_t>(index)];
        if (!node) {
            node.emplace(options_);
            EXPECT_TRUE(wait_until([&] { return usable(*node) == 2; }));
        }
        return *node;
    }
    Sessions& sessions() {
        if (!sessions_) {
            std::vector<TestStore*> nodes{&node(0), &node(1)};
            sessions_.emplace(std::move(nodes), SessionsOptions{});
        }
        return *sessions_;
    }
    static int usable(TestStore& node) {
        return static_cast<int>(metric_sum(node.registry(), "loadstone_store_replica_usable"));
    }
    static double metric(TestStore& node, const std::string& name, const std::string& part = "") {
        return metric_sum(node.registry(), "loadstone_store_replica_" + name, part);
    }
    bool both_see(int replicas) {
        return wait_until(
            [&] { return usable(node(0)) == replicas && usable(node(1)) == replicas; },
            std::chrono::seconds(20));
    }

    ReplicatedServers servers_;
    loadstone::store::DatabaseOptions options_;
    std::array<std::optional<TestStore>, 2> nodes_;
    std::optional<Sessions> sessions_;
};

}  // namespace

TEST_F(Replicas, ServeTheReadsOfSessionsThatWrite) {
    ASSERT_TRUE(sessions().go_on(2));
    sessions().share_of_replicas();
    ASSERT_TRUE(sessions().go_on(5));
    const double share = sessions().share_of_replicas();
    fmt::print("    replicas served {:.1f} % of the reads\n", 100 * share);
    EXPECT_GE(share, 0.9);
    sessions().stop();
    sessions().expect_truth("both healthy");
    EXPECT_EQ(sessions().counts().failed_reads, 0);
    EXPECT_EQ(sessions().counts().failed_writes, 0);
}

// The control: without what the sessions carry, this test sees the lies that it looks for.
TEST_F(Replicas, WouldLieToSessionsThatCarryNothing) {
    std::vector<TestStore*> nodes{&node(0), &node(1)};
    SessionsOptions carry_nothing;
    carry_nothing.carry_positions = false;
    Sessions forgetful(std::move(nodes), carry_nothing);
    ASSERT_TRUE(forgetful.go_on(1));
    servers_.pause_replay(0);
    ASSERT_TRUE(forgetful.go_on(2));
    servers_.resume_replay(0);
    forgetful.stop();
    EXPECT_GT(forgetful.counts().stale_own_reads, 0);
    EXPECT_GT(forgetful.counts().reads_going_back, 0);
}

TEST_F(Replicas, OneThatIsPausedIsLeftOut) {
    ASSERT_TRUE(sessions().go_on(1));
    servers_.pause_replay(0);
    ASSERT_TRUE(sessions().go_on(2));
    sessions().share_of_replicas();
    ASSERT_TRUE(sessions().go_on(3));
    const double share = sessions().share_of_replicas();
    fmt::print("    the other one served {:.1f} % of the reads\n", 100 * share);
    EXPECT_GE(share, 0.9);
    servers_.resume_replay(0);
    ASSERT_TRUE(sessions().go_on(2));
    sessions().stop();
    sessions().expect_truth("replay paused on one");
    EXPECT_EQ(sessions().counts().failed_reads, 0);
}

TEST_F(Replicas, WhenBothArePausedThePrimaryReads) {
    ASSERT_TRUE(sessions().go_on(1));
    servers_.pause_replay(0);
    servers_.pause_replay(1);
    ASSERT_TRUE(sessions().go_on(3));
    EXPECT_GT(metric(node(0), "primary_reads_total", "fallback"), 0);
    servers_.resume_replay(0);
    servers_.resume_replay(1);
    ASSERT_TRUE(sessions().go_on(2));
    sessions().share_of_replicas();
    ASSERT_TRUE(sessions().go_on(3));
    const double share = sessions().share_of_replicas();
    fmt::print("    when they had caught up they served {:.1f} % of the reads\n", 100 * share);
    EXPECT_GE(share, 0.9);
    sessions().stop();
    sessions().expect_truth("replay paused on both");
    EXPECT_EQ(sessions().counts().failed_reads, 0);
}

TEST_F(Replicas, OneThatIsDelayedByFiveSecondsIsLeftOut) {
    ASSERT_TRUE(sessions().go_on(1));
    servers_.delay_replay(1, milliseconds(5'000));
    ASSERT_TRUE(sessions().go_on(2));
    sessions().share_of_replicas();
    ASSERT_TRUE(sessions().go_on(4));
    const double share = sessions().share_of_replicas();
    fmt::print("    the other one served {:.1f} % of the reads\n", 100 * share);
    EXPECT_GE(share, 0.9);
    sessions().stop();
    sessions().expect_truth("5 s delayed replay on one");
    EXPECT_EQ(sessions().counts().failed_reads, 0);
}

TEST_F(Replicas, OneThatIsKilledLeavesAndReturns) {
    ASSERT_TRUE(sessions().go_on(1));
    servers_.replica(0).stop(PostgresServer::Stop::immediate);
    ASSERT_TRUE(sessions().go_on(2));
    EXPECT_TRUE(both_see(1));
    sessions().share_of_replicas();
    ASSERT_TRUE(sessions().go_on(2));
    EXPECT_GE(sessions().share_of_replicas(), 0.9);
    servers_.replica(0).start();
    EXPECT_TRUE(both_see(2));
    ASSERT_TRUE(sessions().go_on(2));
    sessions().stop();
    sessions().expect_truth("a replica killed and back");
    EXPECT_EQ(sessions().counts().failed_reads, 0);
    EXPECT_GE(metric(node(0), "left_total"), 1);
    EXPECT_GE(metric(node(0), "returned_total"), 3);
}

TEST_F(Replicas, OneThatIsFrozenLeavesAndReturns) {
    ASSERT_TRUE(sessions().go_on(1));
    servers_.replica(1).freeze();
    ASSERT_TRUE(sessions().go_on(3));
    EXPECT_TRUE(both_see(1));
    servers_.replica(1).thaw();
    EXPECT_TRUE(both_see(2));
    ASSERT_TRUE(sessions().go_on(2));
    sessions().stop();
    sessions().expect_truth("a replica frozen and back");
    EXPECT_EQ(sessions().counts().failed_reads, 0);
}

TEST_F(Replicas, OutliveARestartOfThePrimary) {
    ASSERT_TRUE(sessions().go_on(1));
    for (const auto how : {PostgresServer::Stop::fast, PostgresServer::Stop::immediate}) {
        servers_.primary().restart(how);
        ASSERT_TRUE(sessions().go_on(3));
    }
    sessions().stop();
    sessions().expect_truth("the primary restarted twice");
}

// Whatever its history: it was promoted once, so its is newer.
TEST_F(Replicas, OneOfAnotherSystemGetsNeitherReadsNorWrites) {
    PostgresOptions options;
    options.is_of_own_system = true;
    PostgresServer foreign(options);
    foreign.create_database(servers_.name());
    foreign.stop(PostgresServer::Stop::fast);
    foreign.follow(servers_.primary());
    foreign.start();
    foreign.psql("postgres", "select pg_promote()");
    options_.replicas.urls.push_back(foreign.url(servers_.name()));
    ASSERT_TRUE(sessions().go_on(2));
    servers_.primary().restart(PostgresServer::Stop::fast);
    ASSERT_TRUE(sessions().go_on(2));
    sessions().stop();
    sessions().expect_truth("a server of another system");
    EXPECT_EQ(metric(node(0), "failovers_total"), 0);
    EXPECT_EQ(metric(node(0), "reads_total", std::to_string(foreign.port())), 0);
}

TEST_F(Replicas, FailoverIsFollowedWithoutARestart) {
    ASSERT_TRUE(sessions().go_on(1));
    // It sends all that it has first: what was acknowledged is not lost.
    servers_.primary().stop(PostgresServer::Stop::fast);
    servers_.promote(0);
    ASSERT_TRUE(sessions().go_on(3));
    EXPECT_TRUE(both_see(1));
    sessions().share_of_replicas();
    ASSERT_TRUE(sessions().go_on(3));
    const double share = sessions().share_of_replicas();
    fmt::print("    after the failover the other replica served {:.1f} %\n", 100 * share);
    EXPECT_GE(share, 0.9);
    // The old primary comes back where it was, as a replica.
    servers_.primary().follow(servers_.replica(0));
    servers_.primary().start();
    EXPECT_TRUE(both_see(2));
    ASSERT_TRUE(sessions().go_on(2));
    sessions().stop();
    sessions().expect_truth("failover");
    EXPECT_EQ(metric(node(0), "failovers_total"), 1);
    EXPECT_EQ(metric(node(1), "failovers_total"), 1);
}

}  // namespace tests::conformance
