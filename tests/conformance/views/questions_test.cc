// When a kept answer costs a question to the database, and who waits for whose.

#include <thread>

#include "tests/conformance/views/node.h"
#include "tests/support/postgres_server.h"

namespace tests::conformance::views {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class QuestionsTest : public Views {};
LOADSTONE_ON_EVERY_BACKEND(QuestionsTest);

template <int deadline_ms>
Task<std::int64_t> hurried_total(Context& outer, std::int64_t course) {
    Context context(outer.services(), Deadline::in(milliseconds(deadline_ms)));
    context.reading().freshness = loadstone::latest;
    co_return co_await cached_total(context, course);
}

}  // namespace

// SQLite tells by itself that nobody has committed.
TEST_P(QuestionsTest, AreNotAskedWhereTheDatabaseTellsThatNobodyHasCommitted) {
    Node node(options_), other(options_);
    node.run(cached_total, 1);
    node.run(cached_total, 1);  // by then each loop that was used has read
    const auto asked = [&](auto&& work) {
        const auto before = node.counted("polls");
        work();
        return node.counted("polls") - before;
    };
    const auto read = [&] {
        for (int i = 0; i < 100; ++i) ASSERT_EQ(node.run(cached_total, 1), 0);
    };
    const bool is_told = GetParam() == Backend::sqlite;
    // A loop's first read opens what tells.
    EXPECT_LE(asked(read), is_told ? 8U : 100U);
    EXPECT_EQ(asked(read), is_told ? 0U : 100U);
    EXPECT_EQ(computations, 1);
    other.run(remark, 1);  // of a table that no view reads
    EXPECT_GE(asked([&] { node.run(cached_total, 1); }), 1U);
    EXPECT_EQ(computations, 1);
    other.run(add_point, 1, 1);
    EXPECT_EQ(node.run(cached_total, 1), 1);
}

TEST_P(QuestionsTest, AreSharedByAllWhoWait) {
    Node node(options_);
    node.run(cached_total, 1);
    const auto before = node.counted("polls");
    std::vector<std::future<std::int64_t>> readers;
    for (int i = 0; i < 1'000; ++i) readers.push_back(node.start(nullptr, cached_total, 1));
    for (auto& reader : readers) EXPECT_EQ(reader.get(), 0);
    EXPECT_EQ(node.counted("hits"), 1'000U);
    EXPECT_LE(node.counted("polls") - before, 500U);
}

TEST_P(QuestionsTest, AreRefusedBeyondThoseWhoMayWait) {
    cache::CacheOptions options;
    options.follower.waiters_max = 0;
    Node node(options_, options);
    EXPECT_EQ(code_of([&] { node.run(cached_total, 1); }), Errc::unavailable);
}

// Who asks for many may be gone before the database answers.
TEST(QuestionsOfPostgres, AreAskedAgainIfWhoAskedIsGone) {
    PostgresServer server;
    TestDatabase database(server);
    const auto options = test_options(database.url());
    migrate_views(options);
    Node node(options);
    EXPECT_EQ(node.run(cached_total, 1), 0);
    const auto psql = [&](const std::string& sql) { return server.psql(database.name(), sql); };
    std::thread locks([&] {
        try {
            psql("begin; lock table loadstone_changes; select pg_sleep(60)");
        } catch (const std::exception&) {  // ended below
        }
    });
    const auto counted = [&](const std::string& condition) {
        return psql("select count(*) from pg_stat_activity where " + condition);
    };
    ASSERT_TRUE(wait_until([&] { return counted("wait_event = 'PgSleep'") == "1"; }, seconds(20)));
    const auto asked = node.counted("polls");
    auto first = node.start(nullptr, cached_total, std::int64_t{1});
    EXPECT_TRUE(wait_until([&] { return node.counted("polls") == asked + 1; }, seconds(20)));
    // It asks for all that come now, and does not live to do so.
    auto second = node.start(nullptr, hurried_total<200>, std::int64_t{1});
    std::vector<std::future<std::int64_t>> others;
    for (int i = 0; i < 20; ++i) others.push_back(node.start(nullptr, cached_total, 1));
    EXPECT_EQ(code_of([&] { second.get(); }), Errc::deadline_exceeded);
    EXPECT_EQ(node.counted("polls"), asked + 1);
    psql("select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'PgSleep'");
    locks.join();
    EXPECT_EQ(first.get(), 0);
    for (auto& other : others) EXPECT_EQ(other.get(), 0);
    EXPECT_LE(node.counted("polls"), asked + 3);
    EXPECT_EQ(computations, 1);
}

// A failure is that of all who waited for the answer; then it is asked again.
TEST(QuestionsOfPostgres, GiveAFailureToAllWhoWait) {
    PostgresServer server;
    TestDatabase database(server);
    const auto options = test_options(database.url());
    migrate_views(options);
    Node node(options);
    EXPECT_EQ(node.run(cached_total, 1), 0);
    const auto psql = [&](const std::string& sql) { return server.psql(database.name(), sql); };
    psql("alter table loadstone_changes rename to elsewhere");
    std::vector<std::future<std::int64_t>> readers;
    for (int i = 0; i < 20; ++i) readers.push_back(node.start(nullptr, cached_total, 1));
    for (auto& reader : readers) EXPECT_NE(code_of([&] { reader.get(); }), std::nullopt);
    psql("alter table elsewhere rename to loadstone_changes");
    EXPECT_EQ(node.run(cached_total, 1), 0);
}

}  // namespace tests::conformance::views
