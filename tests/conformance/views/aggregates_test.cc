// Aggregates on every database: what is kept is what would be counted, whatever happens.

#include "tests/conformance/views/scores.h"
#include "tests/conformance/views/storm.h"

namespace tests::conformance::views {

namespace {

class AggregatesTest : public Views {};
LOADSTONE_ON_EVERY_BACKEND(AggregatesTest);

Standing standing(std::int64_t learners, std::int64_t points, std::int64_t best,
                  std::int64_t worst) {
    return {learners, points, best, worst};
}

// What an operator might do.
Task<void> plant_in(Tx& tx, std::string aggregate, std::int64_t key, std::int64_t value) {
    static constexpr loadstone::store::Command plant{
        "views.plant",
        "insert into loadstone_aggregates (aggregate, key, shard, value) values (?1, ?2, 3, ?3) "
        "on conflict (aggregate, key, shard) do update set value = excluded.value",
        "insert into loadstone_aggregates (aggregate, key, shard, value) values ($1, $2, 3, $3) "
        "on conflict (aggregate, key, shard) do update set value = excluded.value",
        3};
    co_await tx.exec(plant, aggregate, key, value);
}
Task<void> plant(Context& context, std::string aggregate, std::int64_t key, std::int64_t value) {
    co_await context.write(plant_in, aggregate, key, value);
}

}  // namespace

TEST_P(AggregatesTest, AreWhatWasWritten) {
    Node node(options_);
    EXPECT_EQ(node.run(build_all), 4);
    EXPECT_EQ(node.run(kept_standing, 1), Standing{});
    node.run(put_score, 1, 1, 10);
    node.run(put_score, 1, 2, 30);
    node.run(put_score, 2, 1, 7);
    EXPECT_EQ(node.run(kept_standing, 1), standing(2, 40, 30, 10));
    node.run(put_score, 1, 2, 20);  // the best goes down
    EXPECT_EQ(node.run(kept_standing, 1), standing(2, 30, 20, 10));
    node.run(remove_score, 1, 1);
    EXPECT_EQ(node.run(kept_standing, 1), standing(1, 20, 20, 20));
    node.run(remove_score, 1, 2);
    EXPECT_EQ(node.run(kept_standing, 1), Standing{});
    EXPECT_EQ(node.run(kept_standing, 2), standing(1, 7, 7, 7));
    EXPECT_EQ(node.run(differences, false), 0);
}

TEST_P(AggregatesTest, AreRolledBackWithWhatTheyAreOf) {
    Node node(options_);
    node.run(build_all);
    node.run(put_score, 1, 1, 10);
    EXPECT_EQ(code_of([&] { node.run(put_score_and_fail, 1, 1); }), Errc::invalid_argument);
    EXPECT_EQ(code_of([&] { node.run(put_score_and_fail, 1, 2); }), Errc::invalid_argument);
    EXPECT_EQ(node.run(kept_standing, 1), standing(1, 10, 10, 10));
}

// Rows that were there before, and others that are written while none of it is built.
TEST_P(AggregatesTest, AreRecomputedUntilTheyAreBuilt) {
    Node node(options_);
    for (std::int64_t course = 1; course <= 40; ++course) node.run(add_point, course, 1);
    node.run(put_score, 2, 2, 5);
    EXPECT_EQ(node.run(kept_standing, 1), standing(1, 1, 1, 1));
    EXPECT_EQ(node.run(kept_standing, 2), standing(2, 6, 5, 1));
    EXPECT_EQ(node.run(build_all), 4);
    EXPECT_EQ(node.run(build_all), 0);
    EXPECT_EQ(node.run(kept_standing, 1), standing(1, 1, 1, 1));
    EXPECT_EQ(node.run(kept_standing, 2), standing(2, 6, 5, 1));
    EXPECT_EQ(node.run(kept_standing, 40), standing(1, 1, 1, 1));
    EXPECT_EQ(node.run(differences, false), 0);
}

TEST_P(AggregatesTest, AreFoundWrongAndMended) {
    Node node(options_);
    node.run(build_all);
    for (std::int64_t course = 1; course <= 10; ++course) node.run(put_score, course, 1, course);
    EXPECT_EQ(node.run(differences, false), 0);
    node.run(plant, "views.learners", 3, 50);
    node.run(plant, "views.points", 99, -4);  // of a course without rows
    node.run(plant, "views.best", 4, 500);
    node.run(plant, "views.worst", 99, 1);
    EXPECT_EQ(node.run(differences, false), 4);
    EXPECT_EQ(node.run(differences, false), 4);  // it only looked
    EXPECT_EQ(node.run(differences, true), 4);
    EXPECT_EQ(node.run(differences, false), 0);
    EXPECT_EQ(node.run(kept_standing, 3), standing(1, 3, 3, 3));
    EXPECT_EQ(node.run(kept_standing, 4), standing(1, 4, 4, 4));
    EXPECT_EQ(node.run(kept_standing, 99), Standing{});
}

TEST_P(AggregatesTest, OfTransactionsThatGoElsewhereAreRefused) {
    Node node(options_);
    const auto direct = [](Context& context, Node* of) -> Task<void> {
        const loadstone::store::TxBody body = [](Tx& tx) -> Task<void> {
            cache::add(tx, learners_of, std::int64_t{1}, 1);
            co_return;
        };
        co_await of->store().database().transact(context, body);
    };
    EXPECT_EQ(code_of([&] { node.run(direct, &node); }), Errc::internal);
}

// With one shard they meet in a row, and run again: so the counter would show it.
TEST(ShardsOfAggregates, KeepNoTwoConnectionsWaiting) {
    const TestDatabase database(Backend::postgres);
    const auto own = test_options(database.url());
    migrate_views(own);
    const auto runs_again = [&](std::int64_t shards) {
        cache::CacheOptions options;
        options.aggregate_shards = shards;
        Node one(own, options), other(own, options);
        one.run(build_all);
        std::vector<std::future<void>> writes;
        for (std::int64_t i = 0; i < 200; ++i) {
            Node& node = i % 2 == 0 ? one : other;
            writes.push_back(
                node.start(nullptr, put_score, shards, shards * 1'000 + i, std::int64_t{1}));
        }
        for (auto& write : writes) write.get();
        EXPECT_EQ(one.run(kept_standing, shards), standing(200, 200, 1, 1));
        std::uint64_t again = 0;
        for (Node* node : {&one, &other})
            again += node->store()
                         .registry()
                         .counter("loadstone_postgres_transaction_retries_total",
                                  "reason=\"conflict\"", "")
                         .value();
        return again;
    };
    EXPECT_GT(runs_again(1), 0U);
    EXPECT_EQ(runs_again(1'024), 0U);  // the process numbers of the connections differ by less
}

// What is kept is compared all the time with what is counted, while two nodes write, fail and roll
// back, some keys are made wrong by hand, and two mend at once.
TEST_P(AggregatesTest, AreAlwaysWhatWouldBeCounted) {
    constexpr std::int64_t courses = 5, users = 6;
    Node one(options_), other(options_);
    one.run(build_all);
    const auto write = [](loadstone::Random& random, Node& node) {
        const auto course = number_below(random, courses), user = number_below(random, users);
        const auto points = number_below(random, 50);
        const auto what = number_below(random, 10);
        if (what < 6) {
            node.run(put_score, course, user, points);
        } else if (what < 9) {
            node.run(remove_score, course, user);
        } else {
            node.run(put_score_and_fail, course, user);
        }
    };
    std::atomic<std::int64_t> different{0};
    const auto compare = [&](Node& node) { different += node.run(differences, false); };
    const auto mend = [](Node& node) { node.run(differences, true); };
    Storm storm(one, other, GetParam());
    SCOPED_TRACE(storm.seed());
    storm.rage(write, compare);
    EXPECT_EQ(different, 0);
    storm.expect_no_failure();
    storm.expect_some();
    for (const cache::Aggregate* each : aggregates) one.run(plant, each->name, 2, 1'000);
    storm.rage(write, mend);
    storm.expect_no_failure();
    EXPECT_EQ(one.run(differences, true), 0) << "what two mended at once";
    for (std::int64_t course = 0; course < courses; ++course)
        EXPECT_EQ(other.run(kept_standing, course), one.run(true_standing, course)) << course;
}

}  // namespace tests::conformance::views
