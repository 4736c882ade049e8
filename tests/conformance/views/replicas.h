#pragma once
// A primary with two replicas and two nodes that give sessions views.

#include <array>
#include <future>
#include <thread>

#include "tests/conformance/replica_sessions.h"
#include "tests/conformance/views/node.h"

namespace tests::conformance::views {

using loadstone::runtime::Position;
using std::chrono::seconds;

// Holds its transaction until it is told, asking the database meanwhile.
inline Task<void> write_point_and_hold(Tx& tx, std::atomic<bool>* has_written,
                                       std::atomic<bool>* may_end) {
    co_await sql::add_point(tx, 3, 1);
    while (!*may_end) {
        co_await sql::total(tx, 3);
        *has_written = true;
    }
}
inline Task<void> add_point_and_hold(Context& context, std::atomic<bool>* has_written,
                                     std::atomic<bool>* may_end) {
    co_await context.write(write_point_and_hold, has_written, may_end);
}

class ReplicasOfViews : public ::testing::Test {
protected:
    ReplicasOfViews() : options_(servers_.options()) {
        auto modules = all_migrations();
        modules.push_back({"loadstone_cache", cache::migrations()});
        modules.push_back({"views", sql::migrations});
        loadstone::store::migrate(options_, modules);
    }

    static cache::CacheOptions with_positions() {
        cache::CacheOptions options;
        options.has_positions = true;
        return options;
    }
    void start() {
        one_.emplace(options_, with_positions());
        other_.emplace(options_, with_positions());
        wait_for_usable(2);
    }
    // Replicas, to both nodes.
    void wait_for_usable(int replicas) {
        for (Node* node : {&*one_, &*other_}) {
            const auto usable = [&] {
                return metric_sum(node->store().registry(), "loadstone_store_replica_usable");
            };
            ASSERT_TRUE(wait_until([&] { return usable() == replicas; }, seconds(20)));
        }
    }
    void stop_replicas() {
        for (int i : {0, 1}) servers_.replica(i).stop(PostgresServer::Stop::immediate);
        wait_for_usable(0);
    }
    std::string on_the_primary(const std::string& sql) {
        return servers_.primary().psql(servers_.name(), sql);
    }
    // "nobody": what is committed is shown by replicas, and by the primary when that is taken back.
    void wait_for_standbys(const std::string& names) {
        on_the_primary("alter system set synchronous_standby_names = '" + names + "'");
        on_the_primary("select pg_reload_conf()");
        const auto is_known = [&] {
            return on_the_primary("show synchronous_standby_names") == names;
        };
        ASSERT_TRUE(wait_until(is_known, seconds(20)));
        on_the_primary("checkpoint");  // by who tells commits to wait, and has read it by then
    }
    // Whether a commit waits for them, and what `sql` gives is shown by both replicas.
    bool is_written(const std::string& sql, const std::string& result) {
        const std::string waiting =
            "select count(*) from pg_stat_activity where wait_event = 'SyncRep' and "
            "datname = current_database()";
        const auto shows = [&](int i) { return servers_.replica(i).psql(servers_.name(), sql); };
        return wait_until(
            [&] {
                return on_the_primary(waiting) == "1" && shows(0) == result && shows(1) == result;
            },
            seconds(20));
    }
    // Of all that there is.
    void wait_for_replay() {
        const std::string end = on_the_primary("select pg_current_wal_flush_lsn()");
        for (int i : {0, 1}) {
            const auto is_there = [&] {
                return servers_.replica(i).psql("postgres", "select pg_last_wal_replay_lsn() >= '" +
                                                                end + "'::pg_lsn") == "t";
            };
            EXPECT_TRUE(wait_until(is_there, seconds(20)));
        }
    }
    // Of who has read course 1 there, and found `points`, which both replicas show and the primary
    // does not. Each loop knows where the replicas are.
    Position shown_by_replicas_alone(Node& node, std::int64_t points) {
        EXPECT_TRUE(is_written("select sum(points) from scores where course_id = 1",
                               std::to_string(points)));
        Position session;
        const auto is_shown = [&] {
            return node.start(&session, uncached_total, std::int64_t{1}).get() == points;
        };
        EXPECT_TRUE(wait_until(is_shown, seconds(20)));
        wait_for_replay();
        std::vector<Position> sessions(20, session);
        std::vector<std::future<std::int64_t>> reads;
        for (Position& each : sessions)
            reads.push_back(node.start(&each, uncached_total, std::int64_t{1}));
        for (auto& each : reads) EXPECT_EQ(each.get(), points);
        return session;
    }
    static void follow(Node& node) {
        node.run(
            [](Context& context, Node* of) { return of->cache().follower().catch_up(context); },
            &node);
    }
    static int counted(Node& node, const std::string& name) {
        return static_cast<int>(node.counted(name));
    }
    // Each begins there.
    static std::vector<std::int64_t> totals(Node& node, Position session, int readers,
                                            std::int64_t course) {
        std::vector<Position> sessions(static_cast<std::size_t>(readers), session);
        std::vector<std::future<std::int64_t>> reads;
        for (Position& each : sessions) reads.push_back(node.start(&each, cached_total, course));
        std::vector<std::int64_t> found;
        for (auto& each : reads) found.push_back(each.get());
        return found;
    }
    static std::int64_t total(Node& node, Position session, std::int64_t course) {
        return totals(node, session, 1, course).front();
    }

    static std::int64_t sum_of(Node& node, Position session, std::vector<std::int64_t> courses) {
        return node.start(&session, cached_sum, std::move(courses)).get();
    }

    ReplicatedServers servers_;
    loadstone::store::DatabaseOptions options_;
    std::optional<Node> one_, other_;
};

}  // namespace tests::conformance::views
