// Folding of ranked sums, which PostgreSQL alone has: it is done once, and keeps nobody waiting.

#include "tests/conformance/views/node.h"
#include "tests/conformance/views/ranks.h"
#include "tests/support/postgres_server.h"

namespace tests::conformance::views {

namespace {

std::uint64_t conflicts(Node& node) {
    return node.store()
        .registry()
        .counter("loadstone_postgres_transaction_retries_total", "reason=\"conflict\"", "")
        .value();
}

// Holds a course's row of the ranks until it is released.
Task<void> hold_in(Tx& tx, std::int64_t course, loadstone::runtime::Event* holds,
                   loadstone::runtime::Event* release) {
    static constexpr std::string_view text =
        "update loadstone_ranks set value = value where key = $1";
    static constexpr loadstone::store::Command lock{"views.hold_rank", text, text, 1};
    co_await tx.exec(lock, course);
    holds->set();
    co_await release->wait(tx.context().deadline());
}
Task<void> hold(Context& context, std::int64_t course, loadstone::runtime::Event* holds,
                loadstone::runtime::Event* release) {
    co_await context.write(hold_in, course, holds, release);
}

}  // namespace

// What is folded was written by whoever; then nothing is asked until something is written.
TEST(FoldingOfRanks, IsDoneOnceForWhatWasWritten) {
    const TestDatabase database(Backend::postgres);
    const auto own = test_options(database.url());
    migrate_views(own);
    Node one(own), other(own);
    one.run(build_ranks);
    one.run(found_course, 1, 1);
    one.run(award, 1, 1, 10);
    one.run(award, 1, 1, 12);
    other.run(fold, &other);
    EXPECT_EQ(folded(other), 1U);
    EXPECT_EQ(other.run(kept_top, 1, 1), (Places{{1, 12}}));
    one.run(award, 1, 2, 1);
    other.run(fold, &other);  // it has written nothing
    EXPECT_EQ(folded(other), 1U);
    one.run(fold, &one);
    EXPECT_EQ(folded(one), 1U);
    EXPECT_EQ(other.run(kept_top, 1, 1), (Places{{1, 13}}));
}

TEST(FoldingOfRanks, KeepsNoTwoConnectionsWaiting) {
    const TestDatabase database(Backend::postgres);
    const auto own = test_options(database.url());
    migrate_views(own);
    cache::CacheOptions options;
    options.aggregate_shards = 1'024;  // the process numbers of the connections differ by less
    Node one(own, options), other(own, options);
    one.run(build_ranks);
    one.run(found_course, 1, 1);
    std::vector<std::future<void>> writes;
    for (std::int64_t i = 0; i < 200; ++i) {
        Node& node = i % 2 == 0 ? one : other;
        writes.push_back(node.start(nullptr, award, std::int64_t{1}, i, std::int64_t{1}));
    }
    for (auto& write : writes) write.get();
    EXPECT_EQ(one.run(kept_top, 0, 1), (Places{{1, 200}}));
    EXPECT_EQ(conflicts(one) + conflicts(other), 0U);
}

// One transaction moves a course, of which there is a delta, and adds to another one's delta, while
// both deltas are being folded. Nobody would end a deadlock within the deadline.
TEST(FoldingOfRanks, DoesNotDeadlockWithWhoMovesOneKeyAndAddsToAnother) {
    PostgresServer server;
    const TestDatabase database(server);
    const auto own = test_options(database.url());
    migrate_views(own);
    const auto psql = [&](const std::string& sql) { return server.psql(database.name(), sql); };
    psql("alter database \"" + database.name() + "\" set deadlock_timeout = '10min'");
    const auto wait_for = [&](const std::string& waiting) {
        return wait_until([&] {
            return psql("select count(*) from pg_stat_activity where wait_event_type = 'Lock'") ==
                   waiting;
        });
    };
    cache::CacheOptions options;
    options.aggregate_shards = 1;  // all transactions write the same deltas
    Node node(own, options);
    node.run(build_ranks);
    for (const std::int64_t course : {1, 2, 3}) {
        node.run(found_course, course, 1);
        node.run(award, course, 1, 10);
    }
    node.run(fold, &node);
    for (const std::int64_t course : {1, 2, 3}) node.run(award, course, 2, 5);

    loadstone::runtime::Event holds, release;
    auto holder = node.start(nullptr, hold, std::int64_t{1}, &holds, &release);
    ASSERT_TRUE(wait_until([&] { return holds.is_set(); }));
    auto folding = node.start(nullptr, fold, &node);  // has all deltas, and waits for course 1
    ASSERT_TRUE(wait_for("1"));
    auto writing = node.start(nullptr, move_and_award, std::int64_t{2}, std::int64_t{2},
                              std::int64_t{3}, std::int64_t{3}, std::int64_t{7});
    ASSERT_TRUE(wait_for("2"));
    release.set();
    holder.get();
    folding.get();
    writing.get();
    EXPECT_EQ(conflicts(node), 1U) << "the writer finds its delta gone";
    EXPECT_EQ(node.run(kept_top, 1, 9), (Places{{3, 22}, {1, 15}}));
    EXPECT_EQ(node.run(kept_top, 2, 9), (Places{{2, 15}}));
    EXPECT_EQ(node.run(wrong_tops, 2), 0);
    EXPECT_EQ(node.run(rank_differences, false), 0);
}

}  // namespace tests::conformance::views
