// What the processes that read on one replica have of its connections, while they come and go, and
// what becomes of one that finds no room there. docs/decisions/0022.

#include <gmock/gmock.h>

#include <thread>

#include "tests/conformance/replica_sessions.h"
#include "tests/conformance/storm.h"

namespace tests::conformance {
namespace {

using std::chrono::milliseconds;
using ::testing::IsEmpty;

// A process with more reads than it has connections for.
class Node {
public:
    explicit Node(const loadstone::store::DatabaseOptions& options) : store(options) {}
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;
    ~Node() { end(); }

    void begin(bool with_heavy = true) {
        const Deadline late = Deadline::in(std::chrono::seconds(120));
        // Of each kind on each of two loops, which take turns.
        const auto start = [&](Reading reading) {
            for (int i = 0; i < 24; ++i)
                calls_.push_back(store.start(late, keep_reading, &storm, reading));
        };
        start(Reading::quick);
        start(Reading::long_one);
        if (with_heavy) start(Reading::heavy);
    }
    void end() {
        storm.is_over = true;
        for (auto& call : calls_) call.get();
        calls_.clear();
        store.stop();
    }
    double metric(const std::string& name, const std::string& part = "") {
        return metric_sum(store.registry(), "loadstone_" + name, part);
    }
    bool is_usable() { return metric("store_replica_usable") == 1; }

    TestStore store;
    Storm storm;

private:
    std::vector<std::future<void>> calls_;
};

class ReplicaConnections : public ::testing::Test {
protected:
    // A standby has at least as many connections as its primary: most are reserved.
    static constexpr int usable = 16;
    static constexpr int shared = 14;  // of them, less 2 for others

    ReplicaConnections()
        : primary_({.settings = {{"max_connections", "100"}}}),
          database_(primary_),
          options_(test_options(database_.url())) {
        options_.connections.negotiate_every = milliseconds(100);
        // A server that a busy machine keeps from answering is neither away nor behind.
        options_.connect_timeout = options_.outage_patience = patience;
        options_.replicas.silent_max = patience;
        options_.replicas.heavy_wait_max = patience;
        options_.replicas.fallback_max = 1'000;
        const auto modules = all_migrations();
        loadstone::store::migrate(options_, modules);
        psql(primary_,
             "create function declared() returns text language sql as $$"
             " select coalesce(string_agg(n::text, ' ' order by n), '') from (select"
             " max(objid::bigint) as n from pg_locks where locktype = 'advisory' and classid ="
             " 1668247150 and granted and mode = 'ShareLock' group by pid) as each $$");
        // The most connections that are open within a second, as the server has them.
        psql(primary_,
             "create function most_open() returns int language plpgsql as $$ declare "
             "began timestamptz := clock_timestamp(); most int := 0; now_open int; begin loop "
             "perform pg_stat_clear_snapshot(); select count(*) into now_open from "
             "pg_stat_activity where application_name = 'loadstone' and backend_type = 'client "
             "backend'; most := greatest(most, now_open); exit when clock_timestamp() > began + "
             "interval '1 second'; perform pg_sleep(0.002); end loop; return most; end $$");
        PostgresOptions replica;
        replica.replica_of = &primary_;
        replica.settings = {{"max_connections", "100"},
                            {"superuser_reserved_connections", std::to_string(100 - usable)}};
        replica_.emplace(replica);
        options_.replicas.urls = {replica_->url(database_.name())};
    }
    ~ReplicaConnections() override { stop_watching(); }

    std::string psql(const PostgresServer& server, const std::string& sql) const {
        return server.psql(database_.name(), sql);
    }
    void expect_declared(const std::string& numbers) {
        std::string last;
        EXPECT_TRUE(wait_until(
            [&] {
                last = psql(*replica_, "select declared()");
                return last == numbers;
            },
            patience))
            << last << " instead of " << numbers;
    }
    void watch_replica() {
        watch_ = std::thread([this] {
            while (!has_seen_)
                most_open_ = std::max(most_open_, std::stoi(psql(*replica_, "select most_open()")));
        });
    }
    void stop_watching() {
        has_seen_ = true;
        if (watch_.joinable()) watch_.join();
    }

    static constexpr milliseconds patience{30'000};

    PostgresServer primary_;
    TestDatabase database_;
    std::optional<PostgresServer> replica_;
    loadstone::store::DatabaseOptions options_;
    std::thread watch_;
    std::atomic<bool> has_seen_{false};
    int most_open_ = 0;
};

TEST_F(ReplicaConnections, AreNeverMoreThanSharedAndGrowWhenANodeGoes) {
    watch_replica();
    Node first(options_);
    EXPECT_TRUE(wait_until([&] { return first.is_usable(); }, patience));
    first.begin();
    expect_declared("14");  // all that two loops can use
    std::optional<Node> second(std::in_place, options_);
    second->begin();
    expect_declared("7 7");
    Node third(options_);
    expect_declared("2 6 6");  // to watch and to negotiate, and no room for its reads
    third.begin(false);
    EXPECT_TRUE(wait_until([&] { return third.storm.done > 50; }, patience));
    EXPECT_FALSE(third.is_usable());
    EXPECT_EQ(third.metric("store_replica_reads_total"), 0) << "the primary gave them";
    EXPECT_EQ(third.metric("postgres_replica_connections_granted"), 0);
    EXPECT_GT(third.metric("postgres_replica_negotiations_without_room_total"), 0);
    EXPECT_GT(second->metric("store_replica_reads_total"), 0);
    second->end();
    EXPECT_THAT(second->storm.all_failures(), IsEmpty());
    second.reset();
    expect_declared("7 7");
    EXPECT_TRUE(
        wait_until([&] { return third.metric("store_replica_reads_total") > 50; }, patience));
    EXPECT_TRUE(third.is_usable());
    third.end();
    EXPECT_THAT(third.storm.all_failures(), IsEmpty());
    expect_declared("14");
    const auto open = [&] { return first.metric("postgres_replica_connections_open"); };
    EXPECT_TRUE(wait_until([&] { return open() == 12; }, patience)) << open();
    stop_watching();
    first.end();
    EXPECT_THAT(first.storm.all_failures(), IsEmpty());
    for (const char* use : {"replica", "watch", "negotiation"})
        EXPECT_EQ(first.metric("postgres_connects_refused_total", use), 0) << use;
    EXPECT_LE(most_open_, usable);
    EXPECT_GE(most_open_, shared - 2);
}

TEST_F(ReplicaConnections, OneThatIsPromotedIsLeftToThePrimarysShare) {
    Node node(options_);
    EXPECT_TRUE(wait_until([&] { return node.is_usable(); }, patience));
    node.begin(false);
    EXPECT_TRUE(
        wait_until([&] { return node.metric("store_replica_reads_total") > 50; }, patience));
    primary_.stop(PostgresServer::Stop::fast);
    psql(*replica_, "select pg_promote()");
    EXPECT_TRUE(wait_until([&] { return node.metric("postgres_replica_connections_granted") == 0; },
                           patience));
    EXPECT_TRUE(wait_until([&] { return node.metric("postgres_replica_connections_open") == 0; },
                           patience));
    primary_.follow(*replica_);
    primary_.start();
    EXPECT_TRUE(wait_until([&] { return node.is_usable(); }, patience));
    const double reads = node.metric("store_replica_reads_total");
    EXPECT_TRUE(wait_until([&] { return node.metric("store_replica_reads_total") > reads + 50; },
                           patience));
    EXPECT_GE(node.metric("postgres_replica_connections_open"), 2);
    node.end();
}

TEST_F(ReplicaConnections, ThoseOfAServerThatDoesNotSayWhereItIsAreGivenBack) {
    const auto rename = [&](const std::string& from, const std::string& to) {
        psql(primary_, "set allow_system_table_mods = on; alter function pg_catalog." + from +
                           "() rename to " + to);
        EXPECT_TRUE(wait_until(
            [&] {
                return psql(*replica_,
                            "select count(*) from pg_proc where proname = '" + to + "'") == "1";
            },
            patience));
    };
    Node node(options_);
    EXPECT_TRUE(wait_until([&] { return node.is_usable(); }, patience));
    node.begin(false);
    const auto reads = [&] { return node.metric("store_replica_reads_total"); };
    EXPECT_TRUE(wait_until([&] { return reads() > 50; }, patience));
    rename("pg_last_wal_replay_lsn", "nobody_knows");
    const auto connects = [&] { return node.metric("postgres_connects_total", "replica"); };
    const double before = connects();
    psql(*replica_,
         "select pg_terminate_backend(pid) from pg_stat_activity where application_name = "
         "'loadstone' and backend_type = 'client backend'");
    EXPECT_TRUE(wait_until([&] { return connects() >= before + 2; }, patience));
    rename("nobody_knows", "pg_last_wal_replay_lsn");
    EXPECT_TRUE(wait_until([&] { return node.is_usable(); }, patience));
    const double then = reads();
    EXPECT_TRUE(wait_until([&] { return reads() > then + 50; }, patience));
    node.end();
}

TEST_F(ReplicaConnections, OneWithoutAConnectionLeftIsNoOutage) {
    psql(primary_, "create role reader login in role pg_monitor connection limit 0");
    options_.replicas.urls.front().replace(options_.replicas.urls.front().find("postgres@"), 9,
                                           "reader@");
    options_.outage_patience = milliseconds(100);
    EXPECT_TRUE(wait_until(
        [&] {
            return psql(*replica_, "select count(*) from pg_roles where rolname = 'reader'") == "1";
        },
        patience));
    Node node(options_);
    const auto refused = [&](const char* use) {
        return node.metric("postgres_connects_refused_total", use);
    };
    node.begin(false);
    EXPECT_TRUE(wait_until([&] { return refused("watch") >= 3; }, patience));
    EXPECT_TRUE(wait_until([&] { return node.storm.done > 50; }, patience));
    EXPECT_FALSE(node.is_usable());
    // To watch, to negotiate, and the first of one loop.
    psql(primary_, "alter role reader connection limit 3");
    EXPECT_TRUE(wait_until([&] { return refused("replica") >= 3; }, patience));
    psql(primary_, "alter role reader connection limit -1");
    EXPECT_TRUE(wait_until([&] { return node.metric("postgres_replica_connections_open") >= 2; },
                           patience));
    const double reads = node.metric("store_replica_reads_total");
    EXPECT_TRUE(wait_until([&] { return node.metric("store_replica_reads_total") > reads + 50; },
                           patience));
    node.end();
    EXPECT_THAT(node.storm.all_failures(), IsEmpty());
}

}  // namespace
}  // namespace tests::conformance
