// What a read may ask for, and what it is given when no replica is far enough.
#include "tests/conformance/replica_sessions.h"

namespace tests::conformance {

namespace {

using loadstone::runtime::Position;
using std::chrono::milliseconds;

// What is read under which conditions, and what came of it.
struct Asked {
    Position position{};
    loadstone::runtime::Freshness freshness = loadstone::own_writes;
    bool is_heavy = false;
    milliseconds stale_max{0};
};
struct Given {
    std::int64_t items = 0;
    Position position;
    bool is_stale = false;
    bool has_moved = false;
};

Task<Given> read_items(Context& context, Asked asked) {
    auto& reading = context.reading();
    reading.begin_at(asked.position);
    reading.is_heavy = asked.is_heavy;
    reading.stale_max = asked.stale_max;
    Reader reader = context.reader(asked.freshness);
    const auto items = co_await reader.one<std::int64_t>(sql::item_count);
    const bool is_stale = reading.stale().has_value();
    co_return Given{items, reading.position(), is_stale, reading.has_moved()};
}

// Whether all were stale.
Task<bool> read_many_times(Context& context, Asked asked) {
    bool is_stale = true;
    for (int i = 0; i < 20; ++i) {
        const Given given = co_await read_items(context, asked);
        is_stale = is_stale && given.is_stale;
    }
    co_return is_stale;
}

Task<Position> write_item(Context& context, std::string name) {
    co_await context.write(insert_item, name, std::int64_t{1});
    co_return context.reading().position();
}

Task<void> read_and_fail(Tx& tx) {
    co_await tx.one<std::int64_t>(sql::item_count);
    throw Error(Errc::conflict, "as it pleases");
}
Task<Position> fail_a_write(Context& context) {
    bool has_failed = false;
    try {
        co_await context.write(read_and_fail);
    } catch (const Error&) {
        has_failed = true;
    }
    EXPECT_TRUE(has_failed);
    co_return context.reading().position();
}

class FreshnessOfReads : public ::testing::Test {
protected:
    FreshnessOfReads() : options_(servers_.options()) {}

    TestStore& store() {
        if (!store_) {
            store_.emplace(options_);
            EXPECT_TRUE(wait_until([&] { return metric("usable") == 2; }));
        }
        return *store_;
    }
    double metric(const std::string& name, const std::string& part = "") {
        return metric_sum(store_->registry(), "loadstone_store_replica_" + name, part);
    }
    void pause_both() {
        servers_.pause_replay(0);
        servers_.pause_replay(1);
    }
    Position write(const std::string& name) { return store().run(write_item, name); }
    Given read(const Asked& asked) { return store().run(read_items, asked); }
    std::optional<Errc> refusal(const Asked& asked) {
        return code_of([&] { read(asked); });
    }

    ReplicatedServers servers_;
    loadstone::store::DatabaseOptions options_;
    std::optional<TestStore> store_;
};

}  // namespace

TEST_F(FreshnessOfReads, OfOneThatHasSeenNothingIsThatOfAReplica) {
    write("seen");
    ASSERT_TRUE(servers_.has_replayed(0, "1") && servers_.has_replayed(1, "1"));
    pause_both();
    write("unseen");
    const Given given = read({});
    EXPECT_EQ(given.items, 1);
    EXPECT_TRUE(given.has_moved);
    EXPECT_EQ(given.position.history, 1);
    EXPECT_EQ(metric("primary_reads_total"), 0);
    EXPECT_EQ(metric("reads_total"), 1);
}

TEST_F(FreshnessOfReads, OfTheLatestIsThatOfThePrimary) {
    store();
    pause_both();
    write("unseen");
    EXPECT_EQ(read({.freshness = loadstone::latest}).items, 1);
    EXPECT_EQ(metric("primary_reads_total", "latest"), 1);
}

TEST_F(FreshnessOfReads, OfOwnWritesIsPastTheCommit) {
    store();
    pause_both();
    const Position position = write("own");
    EXPECT_EQ(read({.position = position}).items, 1);
    EXPECT_EQ(metric("primary_reads_total", "fallback"), 1);
    servers_.resume_replay(0);
    ASSERT_TRUE(servers_.has_replayed(0, "1"));
    ASSERT_TRUE(wait_until([&] {
        read({.position = position});
        return metric("reads_total") > 0;
    }));
}

TEST_F(FreshnessOfReads, AWriteThatFailedHasSeenToo) {
    store();
    pause_both();
    const Position before = write("first");
    write("second");
    const Position position = store().run(fail_a_write);
    EXPECT_GT(position, before);
    EXPECT_EQ(read({.position = position}).items, 2);
}

TEST_F(FreshnessOfReads, WithinADurationIsOfThatAgeAtMost) {
    store();
    write("old");
    ASSERT_TRUE(servers_.has_replayed(0, "1") && servers_.has_replayed(1, "1"));
    pause_both();
    write("new");
    EXPECT_EQ(read({.freshness = loadstone::within(std::chrono::hours(1))}).items, 1);
    // At some time it has been so long ago that replicas knew everything.
    EXPECT_TRUE(wait_until(
        [&] { return read({.freshness = loadstone::within(milliseconds(300))}).items == 2; }));
}

// One replica stays behind the other, and is young enough for who has seen nothing.
TEST_F(FreshnessOfReads, WithinADurationShowsASessionNoLessThanItHasSeen) {
    store();
    write("on both");
    ASSERT_TRUE(servers_.has_replayed(0, "1") && servers_.has_replayed(1, "1"));
    servers_.pause_replay(0);
    write("on one");
    ASSERT_TRUE(servers_.has_replayed(1, "2"));
    const auto freshness = loadstone::within(std::chrono::hours(1));
    std::set<std::int64_t> seen_first;
    // Which replica a session reads first goes by their load.
    for (int session = 0; session < 8 || (seen_first.size() < 2 && session < 500); ++session) {
        Given last = read({.freshness = freshness});
        seen_first.insert(last.items);
        for (int i = 0; i < 8; ++i) {
            const Given next = read({.position = last.position, .freshness = freshness});
            EXPECT_GE(next.items, last.items);
            EXPECT_GE(next.position, last.position);
            last = next;
        }
    }
    EXPECT_EQ(seen_first, (std::set<std::int64_t>{1, 2}));
}

TEST_F(FreshnessOfReads, WithinADurationShowsASessionWhatItWrote) {
    store();
    pause_both();
    const Position position = write("own");
    const auto freshness = loadstone::within(std::chrono::hours(1));
    EXPECT_EQ(read({.position = position, .freshness = freshness}).items, 1);
    EXPECT_EQ(read({.position = Position::unknown(), .freshness = freshness}).items, 1);
    EXPECT_EQ(metric("primary_reads_total", "fallback"), 2);
    EXPECT_EQ(read({.freshness = freshness}).items, 0);
}

TEST_F(FreshnessOfReads, ThePrimaryTakesNoMoreThanItsLimit) {
    options_.replicas.fallback_max = 0;
    store();
    pause_both();
    const Position position = write("own");
    try {
        read({.position = position});
        FAIL() << "it was read";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Errc::unavailable) << error.message();
        EXPECT_TRUE(error.retry_after());
    }
    EXPECT_EQ(metric("refused_total"), 1);
    EXPECT_EQ(read({.freshness = loadstone::latest}).items, 1);
    // A route that takes an older answer is given one, and told.
    const Given given = read({.position = position, .stale_max = std::chrono::hours(1)});
    EXPECT_TRUE(given.is_stale);
    EXPECT_EQ(given.items, 0);
    EXPECT_EQ(given.position, position);
    EXPECT_EQ(metric("stale_total"), 1);
    ASSERT_TRUE(wait_until([&] { return metric("lag_seconds") > 0.2; }));
    EXPECT_EQ(refusal({.position = position, .stale_max = milliseconds(1)}), Errc::unavailable);
}

TEST_F(FreshnessOfReads, OneThatIsTooFarBehindGetsNoReads) {
    options_.replicas.lag_max = milliseconds(300);
    store();
    servers_.pause_replay(0);
    write("unseen");
    EXPECT_TRUE(wait_until([&] { return metric("usable") == 1; }));
    servers_.resume_replay(0);
    EXPECT_TRUE(wait_until([&] { return metric("usable") == 2; }));
}

// Which is no bound of what a route says may be old.
TEST_F(FreshnessOfReads, OneThatIsTooFarBehindGivesWhatMayBeOld) {
    options_.replicas.lag_max = milliseconds(300);
    options_.replicas.heavy_wait_max = milliseconds(200);
    store();
    pause_both();
    const Position position = write("unseen");
    EXPECT_TRUE(wait_until([&] { return metric("usable") == 0; }));
    EXPECT_EQ(refusal({.position = position, .is_heavy = true}), Errc::unavailable);
    EXPECT_EQ(read({}).items, 1);  // at the primary
    const Given given =
        read({.position = position, .is_heavy = true, .stale_max = std::chrono::hours(1)});
    EXPECT_TRUE(given.is_stale);
    EXPECT_EQ(given.items, 0);
}

TEST_F(FreshnessOfReads, WhatMayBeOldIsGivenWhileThePrimaryIsAway) {
    store();
    write("on all");
    ASSERT_TRUE(servers_.has_replayed(0, "1") && servers_.has_replayed(1, "1"));
    servers_.primary().stop(PostgresServer::Stop::fast);
    // Until it is known to be away it may be asked.
    const auto freshness = loadstone::within(milliseconds(100));
    Given given;
    ASSERT_TRUE(wait_until([&] {
        try {
            given = read({.freshness = freshness, .stale_max = std::chrono::hours(1)});
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Errc::unavailable) << error.message();
        }
        return given.is_stale;
    }));
    EXPECT_EQ(given.items, 1);
}

// As at the start of a process: the primary is not known to be there, and nothing old can be given.
TEST_F(FreshnessOfReads, WhereNothingOldCanBeGivenThePrimaryIsAsked) {
    for (int i : {0, 1}) servers_.replica(i).stop(PostgresServer::Stop::immediate);
    // What its watch asks first. So that never learns what it is.
    servers_.primary().psql(servers_.name(), "alter function pg_control_system() rename to gone");
    store_.emplace(options_);
    for (int i = 0; i < 5; ++i) {
        const Given given = read({.stale_max = std::chrono::hours(1)});
        EXPECT_FALSE(given.is_stale);
    }
    EXPECT_EQ(metric("refused_total"), 0);
    EXPECT_EQ(metric("stale_total"), 0);
    EXPECT_EQ(metric("primary_reads_total", "fallback"), 5);
}

TEST_F(FreshnessOfReads, AHeavyRequestWaitsOnceForWhatDoesNotCome) {
    options_.replicas.heavy_wait_max = std::chrono::seconds(2);
    store();
    pause_both();
    const Position position = write("unseen");
    const auto began = std::chrono::steady_clock::now();
    const Asked asked{.position = position, .is_heavy = true, .stale_max = std::chrono::hours(1)};
    EXPECT_TRUE(store().run(read_many_times, asked));
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(6));
    EXPECT_EQ(metric("stale_total"), 20);
}

TEST_F(FreshnessOfReads, APositionThatIsMadeUpIsTakenBack) {
    write("own");
    const std::uint64_t far = std::uint64_t{1} << 60;
    for (const Position made_up :
         {Position{1, far}, Position{7, far}, Position{7, 1}, Position::unknown()}) {
        const Given given = read({.position = made_up});
        EXPECT_EQ(given.items, 1) << to_text(made_up);
        EXPECT_TRUE(given.has_moved);
        EXPECT_EQ(given.position.history, 1) << to_text(made_up);
        EXPECT_LT(given.position.at, far);
    }
    EXPECT_EQ(metric("taken_back_total"), 3);
}

TEST_F(FreshnessOfReads, HeavyOnesAreReadOnReplicasAlone) {
    options_.replicas.heavy_wait_max = milliseconds(300);
    const Position position = write("own");
    EXPECT_EQ(read({.position = position, .is_heavy = true}).items, 1);
    pause_both();
    const Position later = write("unseen");
    EXPECT_EQ(refusal({.position = later, .is_heavy = true}), Errc::unavailable);
    const Given stale =
        read({.position = later, .is_heavy = true, .stale_max = std::chrono::hours(1)});
    EXPECT_TRUE(stale.is_stale);
    EXPECT_EQ(stale.items, 1);
    EXPECT_EQ(metric("primary_reads_total"), 0);
}

TEST_F(FreshnessOfReads, ACommitThatAFailoverLostIsWaitedForNoLonger) {
    write("kept");
    ASSERT_TRUE(servers_.has_replayed(0, "1") && servers_.has_replayed(1, "1"));
    servers_.cut_off_replicas();
    Position lost = write("lost");
    for (int i = 0; i < 200; ++i) lost = write("lost " + std::to_string(i));
    servers_.primary().stop(PostgresServer::Stop::immediate);
    servers_.promote(0);
    std::optional<Given> given;
    ASSERT_TRUE(wait_until([&] {
        try {
            given = read({.position = lost});
            return true;
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Errc::unavailable) << error.message();
            return false;
        }
    }));
    EXPECT_EQ(given->items, 1);
    const Position position = write("after");
    EXPECT_EQ(position.history, 2);
    EXPECT_EQ(read({.position = position}).items, given->items + 1);
}

// SQLite has no replicas, and needs none: two processes that have one file open see each other's
// commits at once.
class OwnWrites : public Conformance {};

TEST_P(OwnWrites, AreSeenOnEitherOfTwoNodes) {
    TestStore first(options_), second(options_);
    SessionsOptions options;
    options.sessions = 100;
    Sessions sessions({&first, &second}, options);
    ASSERT_TRUE(sessions.go_on(3));
    sessions.stop();
    sessions.expect_truth(to_string(GetParam()));
    EXPECT_EQ(sessions.counts().failed_reads, 0);
}

TEST_P(OwnWrites, AreSeenByHeavyReads) {
    const Position position = store().run(write_item, std::string("own"));
    const Asked asked{.position = position, .is_heavy = true};
    EXPECT_EQ(store().run(read_items, asked).items, 1);
    if (is_sqlite())
        EXPECT_EQ(metric_sum(store().registry(), "loadstone_store_lane_reads_total"), 1);
}

LOADSTONE_ON_EVERY_BACKEND(OwnWrites);

}  // namespace tests::conformance
