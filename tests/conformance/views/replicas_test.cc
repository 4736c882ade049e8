// Views where there are replicas: a session is shown what it has seen, also what polls of the
// primary do not show yet.

#include <array>
#include <future>
#include <thread>

#include "loadstone/cache/internal/unshown_changes.h"
#include "tests/conformance/replica_sessions.h"
#include "tests/conformance/views/node.h"

namespace tests::conformance::views {

namespace {

using cache::internal::UnshownChanges;
using loadstone::runtime::Position;
using std::chrono::seconds;

// Holds its transaction until it is told, asking the database meanwhile.
Task<void> write_point_and_hold(Tx& tx, std::atomic<bool>* has_written,
                                std::atomic<bool>* may_end) {
    co_await sql::add_point(tx, 3, 1);
    while (!*may_end) {
        co_await sql::total(tx, 3);
        *has_written = true;
    }
}
Task<void> add_point_and_hold(Context& context, std::atomic<bool>* has_written,
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

    void start() {
        cache::CacheOptions with_positions;
        with_positions.has_positions = true;
        one_.emplace(options_, with_positions);
        other_.emplace(options_, with_positions);
        for (Node* node : {&*one_, &*other_}) {
            const auto usable = [&] {
                return metric_sum(node->store().registry(), "loadstone_store_replica_usable");
            };
            ASSERT_TRUE(wait_until([&] { return usable() == 2; }, seconds(20)));
        }
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

    ReplicatedServers servers_;
    loadstone::store::DatabaseOptions options_;
    std::optional<Node> one_, other_;
};

Task<bool> is_touched(Context& context, Node* node, std::string history) {
    auto& follower = node->cache().follower();
    co_await follower.catch_up(context);
    UnshownChanges::Unsure unsure{{}, follower.now()};
    unsure.seen = unsure.shown.position;
    if (!history.empty()) unsure.shown.history = history;
    UnshownChanges changes(node->store().database(), seconds(60), node->store().registry());
    const cache::Tags tags{1, 2};
    co_return co_await changes.touch(context, unsure, tags);
}

}  // namespace

// Sessions go from node to node, and reads to replicas that are behind.
TEST_F(ReplicasOfViews, ShowSessionsWhatTheyWrote) {
    start();
    Node &one = *one_, &other = *other_;
    servers_.delay_replay(0, std::chrono::milliseconds(300));
    const std::array<Node*, 2> nodes{&one, &other};
    Position session;
    for (int i = 1; i <= 30; ++i) {
        one.start(&session, add_point, std::int64_t{1}, std::int64_t{1}).get();
        for (Node* node : nodes)
            ASSERT_EQ(node->start(&session, cached_total, std::int64_t{1}).get(), i);
    }
    // Who has seen nothing, and who has seen all that there is, is answered without a question, ten
    // times a second excepted.
    Position nothing;
    for (Position* seen : {&nothing, &session}) {
        const auto polls = other.counted("polls");
        const auto hits = other.counted("hits");
        const auto began = std::chrono::steady_clock::now();
        for (int i = 0; i < 300; ++i)
            ASSERT_EQ(other.start(seen, cached_total, std::int64_t{1}).get(), 30);
        const auto tenths =
            (std::chrono::steady_clock::now() - began) / std::chrono::milliseconds(100);
        EXPECT_EQ(other.counted("hits") - hits, 300U);
        EXPECT_LE(other.counted("polls") - polls, static_cast<std::uint64_t>(tenths) + 3);
    }

    // A replica shows a commit that the primary has written and does not show yet: so a place is
    // known to be reached when all that ran there has ended.
    std::atomic<bool> has_written{false}, may_end{false};
    auto holding = one.start(nullptr, add_point_and_hold, &has_written, &may_end);
    ASSERT_TRUE(wait_until([&] { return has_written.load(); }, seconds(20)));
    one.start(&session, add_point, std::int64_t{2}, std::int64_t{1}).get();
    const auto follow = [](Context& context, Node* of) -> Task<bool> {
        co_await of->cache().follower().catch_up(context);
        const auto position = context.reading().position();
        co_return of->cache().follower().has_reached(position);
    };
    for (int i = 0; i < 5; ++i) EXPECT_FALSE(other.start(&session, follow, &other).get());
    EXPECT_EQ(other.start(&session, cached_total, std::int64_t{2}).get(), 1);
    may_end = true;
    holding.get();
    const auto has_reached = [&] { return other.start(&session, follow, &other).get(); };
    EXPECT_TRUE(wait_until(has_reached, seconds(20)));
}

// A commit that waits for a standby has been written, and is shown by replicas and not by the
// primary, which a poll asks.
TEST_F(ReplicasOfViews, ShowASessionWhatAReplicaHasShownIt) {
    options_.replicas.wait_max = seconds(20);  // for a replica, however busy the machine is
    start();
    Node &one = *one_, &other = *other_;
    const std::string points = "select sum(points) from scores where course_id = 1";
    one.run(add_point, std::int64_t{1}, std::int64_t{1});
    for (Node* node : {&one, &other}) {
        EXPECT_EQ(total(*node, {}, 1), 1);
        EXPECT_EQ(total(*node, {}, 2), 0);
    }
    wait_for_standbys("nobody");
    auto writing = one.start(nullptr, add_point, std::int64_t{1}, std::int64_t{2});
    ASSERT_TRUE(is_written(points, "2"));
    Position session;
    const auto is_shown = [&] {
        return other.start(&session, uncached_total, std::int64_t{1}).get() == 2;
    };
    ASSERT_TRUE(wait_until(is_shown, seconds(20)));

    // Whoever has seen no more, and asks for whatever view, is told by the same answer.
    constexpr int readers = 20;
    const auto counted = [&](const std::string& name) {
        return static_cast<int>(other.counted(name));
    };
    const int hits = counted("hits"), misses = counted("misses"), waits = counted("waits");
    EXPECT_EQ(totals(other, session, readers, 2), std::vector<std::int64_t>(readers, 0));
    EXPECT_EQ(counted("ahead_questions"), 1);
    EXPECT_EQ(counted("hits"), hits + readers);
    EXPECT_EQ(counted("ahead"), 0);
    // What it touches is computed once for all of them.
    EXPECT_EQ(totals(other, session, readers, 1), std::vector<std::int64_t>(readers, 2));
    EXPECT_EQ(total(other, session, 1), 2);
    EXPECT_EQ(counted("ahead_questions"), 1);
    EXPECT_EQ(counted("ahead"), readers + 1);
    EXPECT_EQ(counted("misses"), misses + 1);
    EXPECT_EQ(counted("hits") + counted("waits"), hits + waits + 2 * readers);
    // Who has seen less is given what polls have left.
    EXPECT_EQ(total(other, {}, 1), 1);
    EXPECT_EQ(counted("misses"), misses + 1);

    for (Node* node : {&other, &one})
        EXPECT_EQ(node->start(&session, cached_total, std::int64_t{1}).get(), 2);
    EXPECT_EQ(on_the_primary(points), "1") << "the primary shows it too: nothing was tested";
    wait_for_standbys("");
    writing.get();
    EXPECT_EQ(other.run(cached_total, std::int64_t{1}), 2);
    EXPECT_EQ(counted("ahead_untold"), 0);
}

TEST_F(ReplicasOfViews, AreComputedWhereTooMuchIsUnshownToBeTold) {
    options_.replicas.wait_max = seconds(20);
    start();
    EXPECT_EQ(total(*other_, {}, 1), 0);
    wait_for_standbys("nobody");
    std::thread writing([&] {
        on_the_primary(
            "insert into loadstone_changes (tags) select '5' from "
            "generate_series(1, 11000)");
    });
    EXPECT_TRUE(is_written("select count(*) from loadstone_changes where tags = '5'", "11000"));
    Position session;
    EXPECT_EQ(other_->start(&session, uncached_total, std::int64_t{1}).get(), 0);
    const auto hits = other_->counted("hits"), misses = other_->counted("misses");
    EXPECT_EQ(code_of([&] { EXPECT_EQ(total(*other_, session, 1), 0); }), std::nullopt);
    EXPECT_EQ(other_->counted("misses"), misses + 1);
    EXPECT_EQ(other_->counted("hits"), hits);
    wait_for_standbys("");
    writing.join();
}

// A place is not known to be reached while a transaction from before it runs; and nobody is there.
TEST_F(ReplicasOfViews, AreGivenAndCountedWhereNobodyCanTell) {
    options_.replicas.fallback_max = 0;
    options_.replicas.wait_max = seconds(20);  // but not for who is known to be paused
    start();
    // By replicas alone.
    const auto is_there = [&] {
        return code_of([&] { EXPECT_EQ(total(*other_, {}, 1), 0); }) == std::nullopt;
    };
    ASSERT_TRUE(wait_until(is_there, seconds(20)));
    std::atomic<bool> has_written{false}, may_end{false};
    auto holding = one_->start(nullptr, add_point_and_hold, &has_written, &may_end);
    EXPECT_TRUE(wait_until([&] { return has_written.load(); }, seconds(20)));
    for (int i : {0, 1}) servers_.pause_replay(i);
    Position session;
    one_->start(&session, add_point, std::int64_t{2}, std::int64_t{1}).get();
    EXPECT_EQ(total(*other_, session, 1), 0);
    EXPECT_EQ(other_->counted("ahead_untold"), 1U) << "the furthest replica cannot know";
    for (int i : {0, 1}) servers_.replica(i).stop(PostgresServer::Stop::immediate);
    EXPECT_EQ(total(*other_, session, 1), 0);
    EXPECT_EQ(other_->counted("ahead_untold"), 2U);
    EXPECT_EQ(other_->counted("ahead"), 0U);
    may_end = true;
    holding.get();
}

TEST_F(ReplicasOfViews, AreNotToldOfByServersOfAnotherHistory) {
    start();
    const auto touched = [&](const std::string& history) {
        Position nothing;
        return other_->start(&nothing, is_touched, &*other_, history).get();
    };
    EXPECT_FALSE(touched(""));
    EXPECT_TRUE(touched("00000007"));
    for (int i : {0, 1}) servers_.replica(i).stop(PostgresServer::Stop::immediate);
    EXPECT_FALSE(touched("")) << "of the primary";
    EXPECT_TRUE(touched("00000007"));
    EXPECT_EQ(other_->counted("ahead_questions"), 4U);
    EXPECT_EQ(other_->counted("ahead_untold"), 0U);
}

}  // namespace tests::conformance::views
