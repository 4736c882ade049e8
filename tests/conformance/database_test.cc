// The rest of Database: readiness, clock, being told of others' commits, accounts.
#include <atomic>

#include "tests/conformance/conformance.h"

namespace tests::conformance {

namespace {

class AnyDatabase : public Conformance {};

loadstone::store::Database& database_of(Context& context) {
    return context.services().get<loadstone::store::Database>();
}
Task<void> check(Context& context) { co_await database_of(context).check(context); }
Task<loadstone::Timestamp> now(Context& context) {
    co_return co_await database_of(context).now(context);
}

struct Accounts {
    std::uint64_t statements = 0;
    std::uint64_t rows = 0;
    std::uint64_t waited_ns = 0;
    int queries = 0;
};
Task<Accounts> read_with_span(Context& context) {
    context.span().start(0, "test");
    co_await add_item(context, "a", 1);
    co_await quantity_of(context, "a");
    co_await quantity_of(context, "a");
    const auto& span = context.span();
    Accounts accounts;
    accounts.statements = span.statements;
    accounts.rows = span.rows;
    for (const auto ns : span.wait_ns) accounts.waited_ns += ns;
    accounts.queries = span.query_count;
    co_return accounts;
}

}  // namespace

TEST_P(AnyDatabase, IsReady) { EXPECT_NO_THROW(store().run(check)); }

TEST_P(AnyDatabase, HasAClock) {
    const auto before = loadstone::Timestamp::now();
    const auto time = store().run(now);
    const auto apart = time - before;
    EXPECT_LT(std::chrono::abs(apart), std::chrono::seconds(5));
}

TEST_P(AnyDatabase, TellsOfACommitMadeElsewhere) {
    TestStore other(options_);
    std::atomic<int> woken{0};
    store().database().listen("jobs", [&] { ++woken; });
    store().run(item_count);
    // PostgreSQL wakes once when it has begun to listen: a commit may have come before.
    if (!is_sqlite()) {
        ASSERT_TRUE(wait_until([&] { return woken > 0; }));
    }
    for (int i = 0; i < 3; ++i) {
        const int before = woken;
        other.run(add_item, "item " + std::to_string(i), std::int64_t{1});
        other.database().notify("jobs");
        EXPECT_TRUE(wait_until([&] { return woken > before; }, std::chrono::seconds(2)));
    }
    store().stop();
}

TEST_P(AnyDatabase, AccountsForEachStatement) {
    const Accounts accounts = store().run(read_with_span);
    EXPECT_GE(accounts.statements, 3U);
    EXPECT_GE(accounts.rows, 3U);
    EXPECT_GT(accounts.waited_ns, 0U);
    EXPECT_GE(accounts.queries, 2);
    const auto snapshot = store().registry().snapshot();
    bool found = false;
    for (std::size_t i = 0; i < snapshot.labels.size(); ++i) {
        if (snapshot.labels[i].name.find("quantity_of") == std::string::npos) continue;
        found = true;
        EXPECT_EQ(snapshot.queries[i].count, 2U);
        EXPECT_EQ(snapshot.queries[i].rows, 2U);
        EXPECT_EQ(snapshot.queries[i].failures, 0U);
    }
    EXPECT_TRUE(found);
}

TEST_P(AnyDatabase, StopsWhileCallsAreUnderWay) {
    std::vector<std::future<std::int64_t>> calls;
    for (int i = 0; i < 200; ++i) {
        calls.push_back(store().start(Deadline::in(std::chrono::seconds(5)), add_item,
                                      "item " + std::to_string(i), std::int64_t{1}));
        calls.push_back(store().start(Deadline::in(std::chrono::seconds(5)), item_count));
    }
    store().database().stop();
    for (auto& call : calls) {
        const auto code = code_of([&] { call.get(); });
        EXPECT_TRUE(!code || code == Errc::unavailable || code == Errc::cancelled)
            << loadstone::to_string(*code);
    }
}

LOADSTONE_ON_EVERY_BACKEND(AnyDatabase);

}  // namespace tests::conformance
