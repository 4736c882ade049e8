// The server restarts, dies, freezes, or loses connections: what was acknowledged is there, calls
// end in time, and the store goes on by itself.
#include <sstream>

#include "tests/conformance/postgres_test.h"

namespace tests::conformance {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

class PostgresOutages : public Postgres {
protected:
    void expect_all_there(const Load& load) {
        std::istringstream names(psql("select name from items"));
        std::set<std::string> stored;
        for (std::string name; std::getline(names, name);) stored.insert(name);
        for (const std::string& name : load.acknowledged()) {
            EXPECT_TRUE(stored.contains(name)) << name << " was acknowledged";
        }
    }
    static void expect_only_unavailable(const Load& load) {
        for (const auto& [code, count] : load.failures()) {
            EXPECT_EQ(code, Errc::unavailable) << count << " calls: " << *load.messages().begin();
        }
    }
};

class Restarts : public PostgresOutages,
                 public ::testing::WithParamInterface<PostgresServer::Stop> {};

}  // namespace

TEST_P(Restarts, UnderLoadLoseNothingThatWasAcknowledged) {
    Load load(store(), std::chrono::seconds(10));
    ASSERT_TRUE(load.goes_on());
    for (int i = 0; i < 3; ++i) {
        server_.restart(GetParam());
        EXPECT_TRUE(load.goes_on());
    }
    load.stop();
    expect_only_unavailable(load);
    expect_all_there(load);
}

INSTANTIATE_TEST_SUITE_P(Stop, Restarts,
                         ::testing::Values(PostgresServer::Stop::fast,
                                           PostgresServer::Stop::immediate),
                         [](const auto& backend) {
                             return backend.param == PostgresServer::Stop::fast ? "fast"
                                                                                : "immediate";
                         });

TEST_F(PostgresOutages, TerminatedBackendsAreReplaced) {
    Load load(store(), std::chrono::seconds(10));
    ASSERT_TRUE(load.goes_on());
    for (int i = 0; i < 20; ++i) {
        psql(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = "
            "current_database() "
            "and pid <> pg_backend_pid()");
        EXPECT_TRUE(load.goes_on(5));
    }
    load.stop();
    expect_only_unavailable(load);
    expect_all_there(load);
}

TEST_F(PostgresOutages, AStoppedServerIsUnavailableUntilItIsBack) {
    store().run(add_item, std::string("before"), std::int64_t{1});
    server_.stop(PostgresServer::Stop::fast);
    for (int i = 0; i < 3; ++i) {
        const auto started = Clock::now();
        auto read = store().start(Deadline::in(milliseconds(300)), item_count);
        auto write = store().start(Deadline::in(milliseconds(300)), add_item,
                                   "during " + std::to_string(i), std::int64_t{1});
        try {
            read.get();
            FAIL() << "it was read";
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Errc::unavailable) << error.message();
            EXPECT_TRUE(error.retry_after());
        }
        try {
            write.get();
            FAIL() << "it was written";
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Errc::unavailable) << error.message();
            EXPECT_TRUE(error.retry_after());
        }
        EXPECT_LT(Clock::now() - started, milliseconds(900));
    }
    server_.start();
    EXPECT_EQ(store().run(item_count), 1);
    EXPECT_GT(store().run(add_item, std::string("after"), std::int64_t{1}), 0);
}

TEST_F(PostgresOutages, CallsWaitWithinTheirDeadlineForAServerThatComesBack) {
    store().run(item_count);
    server_.stop(PostgresServer::Stop::fast);
    auto read = store().start(Deadline::in(std::chrono::seconds(15)), item_count);
    auto write = store().start(Deadline::in(std::chrono::seconds(15)), add_item,
                               std::string("patient"), std::int64_t{1});
    server_.start();
    EXPECT_GE(read.get(), 0);
    EXPECT_GT(write.get(), 0);
}

TEST_F(PostgresOutages, AServerThatWasNeverThereIsUnavailableInTime) {
    server_.stop(PostgresServer::Stop::fast);
    const auto started = Clock::now();
    auto read = store().start(Deadline::in(milliseconds(300)), item_count);
    auto write =
        store().start(Deadline::in(milliseconds(300)), add_item, std::string("x"), std::int64_t{1});
    EXPECT_EQ(code_of([&] { read.get(); }), Errc::unavailable);
    EXPECT_EQ(code_of([&] { write.get(); }), Errc::unavailable);
    EXPECT_LT(Clock::now() - started, milliseconds(900));
    store_.reset();
    server_.start();
}

TEST_F(PostgresOutages, DeadlinesHoldWhileTheServerIsFrozen) {
    store().run(add_item, std::string("before"), std::int64_t{1});
    server_.freeze();
    for (int round = 0; round < 3; ++round) {
        const auto started = Clock::now();
        std::vector<std::future<std::int64_t>> calls;
        for (int i = 0; i < 40; ++i) {
            calls.push_back(store().start(Deadline::in(milliseconds(400)), item_count));
            calls.push_back(store().start(Deadline::in(milliseconds(400)), add_item,
                                          "frozen " + std::to_string(i), std::int64_t{1}));
        }
        for (auto& call : calls) {
            const auto code = code_of([&] { call.get(); });
            EXPECT_TRUE(code == Errc::deadline_exceeded || code == Errc::unavailable);
        }
        EXPECT_LT(Clock::now() - started, milliseconds(1'000));
    }
    server_.thaw();
    Load load(store(), std::chrono::seconds(10));
    EXPECT_TRUE(load.goes_on());
    load.stop();
    expect_all_there(load);
}

TEST_F(PostgresOutages, AFrozenServerDoesNotHoldUpTheStop) {
    store().run(item_count);
    server_.freeze();
    auto read = store().start(Deadline::in(milliseconds(200)), item_count);
    auto write =
        store().start(Deadline::in(milliseconds(200)), add_item, std::string("x"), std::int64_t{1});
    EXPECT_TRUE(code_of([&] { read.get(); }));
    EXPECT_TRUE(code_of([&] { write.get(); }));
    const auto started = Clock::now();
    store_.reset();
    EXPECT_LT(Clock::now() - started, std::chrono::seconds(5));
    server_.thaw();
}

TEST_F(PostgresOutages, ListenersAreWokenAfterARestart) {
    std::atomic<int> woken{0};
    store().database().listen("jobs", [&] { ++woken; });
    ASSERT_TRUE(wait_until([&] { return woken > 0; }));
    const int before = woken;
    server_.restart(PostgresServer::Stop::fast);
    EXPECT_TRUE(wait_until([&] { return woken > before; }));
    const int again = woken;
    psql("notify jobs");
    EXPECT_TRUE(wait_until([&] { return woken > again; }));
    store_.reset();
}

TEST_F(PostgresOutages, FailoverToAStandbyGoesOnThere) {
    PostgresOptions replica_options;
    replica_options.replica_of = &server_;
    PostgresServer standby(replica_options);
    auto options = options_;
    options.url = "postgres://postgres@127.0.0.1:" + std::to_string(standby.port()) +
                  ",127.0.0.1:" + std::to_string(server_.port()) + "/" + database_.name();
    TestStore both(options);
    // The standby comes first in the URL; a write finds the primary all the same.
    EXPECT_GT(both.run(add_item, std::string("on the primary"), std::int64_t{1}), 0);
    EXPECT_EQ(both.run(item_count), 1);
    ASSERT_TRUE(wait_until(
        [&] { return standby.psql(database_.name(), "select count(*) from items") == "1"; }));
    server_.stop(PostgresServer::Stop::immediate);
    standby.psql("postgres", "select pg_promote()");
    auto write = both.start(Deadline::in(std::chrono::seconds(15)), add_item,
                            std::string("after failover"), std::int64_t{1});
    EXPECT_GT(write.get(), 0);
    EXPECT_EQ(both.run(item_count), 2);
    both.stop();
    server_.start();
}

}  // namespace tests::conformance
