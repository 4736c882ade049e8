// What adds up many rows on the primary is told of, with what it cost; what reads few, what a
// replica serves and what the framework asks for itself is not.

#include "loadstone/store/analytic_reads.h"

#include <algorithm>

#include "tests/conformance/conformance.h"
#include "tests/conformance/replica_sessions.h"

namespace tests::conformance {

namespace {

namespace store_ns = loadstone::store;

constexpr store_ns::Query quantities{
    "conformance.quantities", "select count(*) from (select quantity from items group by quantity)",
    "select count(*) from (select quantity from items group by quantity) as q", 0};
constexpr store_ns::Query quantities_of_few{
    "conformance.quantities_of_few",
    "select count(*) from (select quantity from items where id <= 10 group by quantity)",
    "select count(*) from (select quantity from items where id <= 10 group by quantity) as q", 0};
constexpr store_ns::Query all_quantities{"conformance.all_quantities",
                                         "select quantity from items order by quantity",
                                         "select quantity from items order by quantity", 0};
constexpr store_ns::Command add_the_sum{
    "conformance.add_the_sum",
    "insert into items (name, quantity) select 'sum ' || count(*), sum(quantity) from items",
    "insert into items (name, quantity) select 'sum ' || count(*), sum(quantity) from items", 0};
constexpr std::int64_t items = 300;

void begin(Context& context, std::string_view name) {
    auto& registry = context.services().get<loadstone::telemetry::Registry>();
    const auto label = registry.add_label(loadstone::telemetry::LabelKind::route, name, "test");
    context.span().start(label, registry.name_of(label));
}

Task<void> insert_items(Tx& tx) {
    for (std::int64_t i = 0; i < items; ++i)
        co_await tx.defer(sql::insert_item, "item " + std::to_string(i), i);
}
Task<void> add_items(Context& context) { co_await context.write(insert_items); }

Task<std::int64_t> count_quantities(Context& context, std::string activity) {
    begin(context, activity);
    Reader reader = context.reader();
    co_return co_await reader.one<std::int64_t>(quantities);
}
Task<std::int64_t> count_without_a_label(Context& context) {
    Reader reader = context.reader();
    co_return co_await reader.one<std::int64_t>(quantities);
}
Task<std::int64_t> count_on_the_primary(Context& context) {
    begin(context, "GET /latest");
    Reader reader = context.reader(loadstone::latest);
    co_return co_await reader.one<std::int64_t>(quantities);
}
Task<void> read_what_is_small(Context& context) {
    begin(context, "GET /small");
    Reader reader = context.reader();
    co_await reader.one<std::int64_t>(quantities_of_few);
    co_await reader.many<std::int64_t>(all_quantities);
}
Task<void> add_sum(Tx& tx) { co_await tx.exec(add_the_sum); }
Task<void> write_the_sum(Context& context) {
    begin(context, "POST /sum");
    co_await context.write(add_sum);
}

class AnalyticRuns : public Conformance {
protected:
    AnalyticRuns() {
        options_.statistics.analytic_rows = 100;
        options_.statistics.samples_plans = true;
        options_.statistics.sample_every = std::chrono::milliseconds(10);
    }
    std::vector<store_ns::AnalyticRead> told() {
        return store().database().statistics()->analytic_reads().all();
    }
    bool is_told(std::string_view statement) {
        return std::ranges::any_of(told(), [&](auto& read) { return read.statement == statement; });
    }
    // PostgreSQL looks at a statement now and then: until it has looked at this one.
    bool is_looked_at(std::string_view statement) {
        const auto plans = store().database().statistics()->plans();
        const auto known = plans.find(statement);
        return known != plans.end() && (is_sqlite() || known->second.samples > 0);
    }
};
INSTANTIATE_TEST_SUITE_P(On, AnalyticRuns, ::testing::Values(Backend::sqlite, Backend::postgres),
                         [](const auto& backend) { return to_string(backend.param); });

}  // namespace

TEST_P(AnalyticRuns, AreToldOfWithWhatTheyCost) {
    store().run(add_items);
    const auto told_of = [&] {
        EXPECT_EQ(store().run(count_quantities, std::string("GET /quantities")), items);
        return is_told("conformance.quantities");
    };
    ASSERT_TRUE(wait_until(told_of, std::chrono::seconds(20)));
    const auto read = told().front();
    EXPECT_EQ(read.activity, "GET /quantities");
    EXPECT_TRUE(read.place.starts_with("tests/conformance/analytic_reads_test.cc:")) << read.place;
    EXPECT_GE(read.read, static_cast<std::uint64_t>(items) - 1);
    EXPECT_LE(read.read, static_cast<std::uint64_t>(items) * 2);  // SQLite: its groups, too
    EXPECT_FALSE(read.is_estimate);
    EXPECT_EQ(read.rows, 1U);
    EXPECT_GT(read.us, 0U);
    if (!is_sqlite()) EXPECT_EQ(read.cpu_us, 0U) << "it is not known";
    EXPECT_GE(read.times, 1U);
    EXPECT_GE(store().registry().counter("loadstone_statement_analytic_total", "", "").value(),
              read.times);
}

TEST_P(AnalyticRuns, AreNotThoseThatReadFewOrAddUpNothing) {
    store().run(add_items);
    const auto looked_at = [&] {
        store().run(read_what_is_small);
        return is_looked_at("conformance.quantities_of_few") &&
               is_looked_at("conformance.all_quantities");
    };
    ASSERT_TRUE(wait_until(looked_at, std::chrono::seconds(20)));
    EXPECT_TRUE(told().empty()) << told().front().statement;
}

TEST_P(AnalyticRuns, AreNotTheFrameworksOwn) {
    store().run(add_items);
    const auto looked_at = [&] {
        store().run(count_quantities, std::string("loadstone.housekeeping"));
        store().run(count_without_a_label);
        return is_looked_at("conformance.quantities");
    };
    ASSERT_TRUE(wait_until(looked_at, std::chrono::seconds(20)));
    EXPECT_TRUE(told().empty()) << told().front().activity;
}

// What writes is not run again: PostgreSQL's planner says how many rows there are.
TEST_P(AnalyticRuns, AreWritesToo) {
    store().run(add_items);
    const auto told_of = [&] {
        store().run(write_the_sum);
        return is_told("conformance.add_the_sum");
    };
    ASSERT_TRUE(wait_until(told_of, std::chrono::seconds(20)));
    const auto read = told().front();
    EXPECT_EQ(read.activity, "POST /sum");
    EXPECT_EQ(read.is_estimate, !is_sqlite());
}

TEST_P(AnalyticRuns, AreNotLookedForWhenItIsOff) {
    options_.statistics.analytic_rows = 0;
    store().run(add_items);
    const auto looked_at = [&] {
        store().run(count_quantities, std::string("GET /quantities"));
        return is_looked_at("conformance.quantities");
    };
    ASSERT_TRUE(wait_until(looked_at, std::chrono::seconds(20)));
    EXPECT_TRUE(told().empty());
}

// A replica may add up: that is what it is there for.
TEST(AnalyticReplicas, AreToldOfOnlyWhereThePrimaryReads) {
    ReplicatedServers servers;
    auto options = servers.options();
    options.statistics.analytic_rows = 100;
    options.statistics.samples_plans = true;
    options.statistics.sample_every = std::chrono::milliseconds(10);
    TestStore node(options);
    node.run(add_items);
    ASSERT_TRUE(wait_until(
        [&] { return metric_sum(node.registry(), "loadstone_store_replica_usable") == 2; }));
    const auto primary_reads = [&] {
        return metric_sum(node.registry(), "loadstone_store_replica_primary_reads_total");
    };
    // The loops dial when it is agreed how many connections they may have.
    const auto are_connected = [&] {
        const double before = primary_reads();
        for (int i = 0; i < 8; ++i) node.run(read_what_is_small);
        return primary_reads() == before;
    };
    ASSERT_TRUE(wait_until(are_connected, std::chrono::seconds(20)));
    const double before = primary_reads();
    auto& statistics = *node.database().statistics();
    const auto sampled = [&] {
        node.run(count_quantities, std::string("GET /quantities"));
        return statistics.plans()["conformance.quantities"].samples >= 2;
    };
    ASSERT_TRUE(wait_until(sampled, std::chrono::seconds(20)));
    ASSERT_EQ(primary_reads(), before);
    EXPECT_TRUE(statistics.analytic_reads().all().empty());

    const auto told_of = [&] {
        node.run(count_on_the_primary);
        return !statistics.analytic_reads().all().empty();
    };
    ASSERT_TRUE(wait_until(told_of, std::chrono::seconds(20)));
    EXPECT_EQ(statistics.analytic_reads().all().front().activity, "GET /latest");
}

}  // namespace tests::conformance
