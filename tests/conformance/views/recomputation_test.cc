// Thousands of views that become invalid together, and what is left to others.

#include <thread>

#include "tests/conformance/views/node.h"
#include "tests/support/postgres_server.h"

namespace tests::conformance::views {

namespace {

using std::chrono::seconds;

constexpr std::size_t computations_max = 8;

const int views = std::getenv("LOADSTONE_FULL") != nullptr ? 10'000 : 2'000;

cache::CacheOptions few_at_once() {
    cache::CacheOptions options;
    options.computations.max = computations_max;
    options.computations.waiting_max = 20'000;
    options.follower.waiters_max = 20'000;
    return options;
}

// Of all keys, each by a reader that waits for it.
std::vector<std::future<std::int64_t>> read_all(Node& node) {
    std::vector<std::future<std::int64_t>> readers;
    for (std::int64_t course = 0; course < views; ++course)
        readers.push_back(node.start(nullptr, guarded_total, course));
    return readers;
}

class RecomputationTest : public Views {};
LOADSTONE_ON_EVERY_BACKEND(RecomputationTest);

}  // namespace

TEST_P(RecomputationTest, OfAllViewsIsOfAFewAtATime) {
    Node node(options_, few_at_once());
    for (auto& reader : read_all(node)) EXPECT_EQ(reader.get(), 0);
    node.run(add_point, 1, 7);
    node.run(add_point_everywhere, 7);  // makes all of them invalid
    computations = 0;
    for (auto& reader : read_all(node)) reader.get();
    EXPECT_EQ(computations, views);
    EXPECT_LE(under_way_most, static_cast<int>(computations_max));
    EXPECT_GE(under_way_most, 1);
    EXPECT_EQ(under_way, 0);
}

// While the statements of all computations that there may be wait in the database, others go on: if
// one was behind them on a connection it would never end.
TEST(RecomputationOnPostgres, HoldsUpNoOtherRead) {
    PostgresServer server;
    TestDatabase database(server);
    const auto options = test_options(database.url());
    migrate_views(options);
    Node node(options, few_at_once());
    EXPECT_EQ(node.run(cached_total, 1), 0);
    const auto psql = [&](const std::string& sql) { return server.psql(database.name(), sql); };
    const auto sessions = [&](const std::string& condition) {
        return std::stoi(psql("select count(*) from pg_stat_activity where " + condition));
    };
    std::thread locks([&] {
        try {
            psql("select pg_advisory_lock(7); select pg_sleep(60)");
        } catch (const std::exception&) {  // ended below
        }
    });
    ASSERT_TRUE(wait_until([&] { return sessions("wait_event = 'PgSleep'") == 1; }, seconds(20)));
    computations = 0;
    under_way_most = 0;
    auto readers = read_all(node);
    EXPECT_TRUE(wait_until([&] { return sessions("wait_event = 'advisory'") > 0; }, seconds(20)));
    for (int i = 0; i < 200; ++i) {
        ASSERT_EQ(node.run(uncached_total, 1), 0);
        ASSERT_EQ(node.run(cached_total, 1), 0);
    }
    EXPECT_LE(computations, static_cast<int>(computations_max));  // none has ended
    psql("select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'PgSleep'");
    locks.join();
    for (auto& reader : readers) EXPECT_EQ(reader.get(), 0);
    EXPECT_EQ(computations, views);
    EXPECT_LE(under_way_most, static_cast<int>(computations_max));
}

}  // namespace tests::conformance::views
