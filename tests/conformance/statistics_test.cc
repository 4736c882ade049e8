// What is known of each statement: calls, rows, rows read, N+1, plans that changed.

#include "loadstone/store/inspection.h"
#include "loadstone/store/statement_statistics.h"
#include "tests/conformance/conformance.h"
#include "tests/support/expect_statements.h"

namespace tests::conformance {

namespace {

namespace store_ns = loadstone::store;

class Statistics : public Conformance {
protected:
    store_ns::StatementStatistics& statistics() { return *store().database().statistics(); }
    Statement statement(std::string_view name, std::string_view activity) {
        return statement_in(store().registry(), name, activity);
    }
};
LOADSTONE_ON_EVERY_BACKEND(Statistics);

// What SQLite tells by itself, and PostgreSQL when it is asked: SampledPlans.
class SqliteStatistics : public Statistics {};
INSTANTIATE_TEST_SUITE_P(On, SqliteStatistics, ::testing::Values(Backend::sqlite),
                         [](const auto& backend) { return to_string(backend.param); });

// As a server does for each request.
void begin(Context& context, std::string_view name) {
    auto& registry = context.services().get<loadstone::telemetry::Registry>();
    const auto label = registry.add_label(loadstone::telemetry::LabelKind::route, name, "test");
    context.span().start(label, registry.name_of(label));
}

// Not as a request or job: it may write one by one.
Task<void> add_some(Context& context, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i)
        co_await add_item(context, "item " + std::to_string(i), i);
}

Task<std::size_t> read_all_for_one(Context& context) {
    begin(context, "read_all_for_one");
    Reader reader = context.reader();
    const auto items = co_await reader.many<Item>(sql::items_of_quantity, std::int64_t{7});
    co_return items.size();
}

Task<std::int64_t> read_one_by_index(Context& context) {
    begin(context, "read_one_by_index");
    co_return co_await quantity_of(context, "item 7");
}

// The same statement, at one place, `times` times.
Task<void> one_by_one(Context& context, std::int64_t times) {
    begin(context, "one_by_one");
    Reader reader = context.reader();
    for (std::int64_t i = 0; i < times; ++i) {
        const std::string name = "item " + std::to_string(i);
        co_await reader.maybe<Item>(sql::item_by_name, name);
    }
}

Task<void> one_by_one_in_tx(Tx& tx, std::int64_t times) {
    for (std::int64_t i = 0; i < times; ++i) {
        const std::string name = "item " + std::to_string(i);
        co_await tx.maybe<Item>(sql::item_by_name, name);
    }
}

// A row each, written or locked.
Task<void> add_in_tx(Tx& tx, std::int64_t times, std::int64_t first) {
    for (std::int64_t i = first; i < first + times; ++i)
        co_await tx.one<std::int64_t>(sql::insert_item, "item " + std::to_string(i), i);
}
Task<void> add_one_by_one(Context& context, std::int64_t times, std::int64_t first) {
    begin(context, "add_one_by_one");
    co_await context.write(add_in_tx, times, first);
}

// Of all items, in pieces as they might be.
constexpr store_ns::Command raise_all{"test.raise_all", "update items set quantity = quantity + 1",
                                      "update items set quantity = quantity + 1", 0};
Task<void> raise_in_tx(Tx& tx, std::int64_t times) {
    for (std::int64_t i = 0; i < times; ++i) co_await tx.exec(raise_all);
}
Task<void> raise_many(Context& context, std::int64_t times) {
    begin(context, "raise_many");
    co_await context.write(raise_in_tx, times);
}

Task<void> write_one_by_one(Context& context, std::int64_t times) {
    begin(context, "write_one_by_one");
    co_await context.write(one_by_one_in_tx, times);
}

// As often, at two places.
Task<void> at_two_places(Context& context, std::int64_t times) {
    begin(context, "at_two_places");
    Reader reader = context.reader();
    const std::string name = "item 1";
    for (std::int64_t i = 0; i < times; ++i) {
        co_await reader.maybe<Item>(sql::item_by_name, name);
        co_await reader.maybe<Item>(sql::item_by_name, name);
    }
}

// In pages, each of so many rows.
Task<void> in_pages(Context& context, std::int64_t pages, std::int64_t rows) {
    begin(context, "in_pages");
    Reader reader = context.reader();
    for (std::int64_t i = 0; i < pages; ++i) co_await reader.many<Item>(sql::items_after, i, rows);
}

Task<std::size_t> parts_of_one(Context& context) {
    begin(context, "parts_of_one");
    Reader reader = context.reader();
    const auto parts = co_await reader.many<std::int64_t>(sql::parts_of, std::int64_t{1});
    co_return parts.size();
}

// Longer than what PostgreSQL shows of a statement that runs.
const std::string long_sql =
    "update items set quantity = quantity + 1 /*" + std::string(2'000, '.') + "*/ where name = 'a'";
const store_ns::Command long_update{"test.long_update", "", long_sql, 0};
constexpr store_ns::Query hold{"test.hold", "", "select pg_sleep(0.2) is null", 0};

Task<void> update_and_hold(Tx& tx) {
    co_await tx.exec(long_update);
    co_await tx.one<bool>(hold);
}
Task<void> update_slowly(Context& context) {
    begin(context, "update_slowly");
    co_await context.write(update_and_hold);
}

Task<void> drop_index(Tx& tx) {
    static constexpr store_ns::Command drop{"test.drop_index", "drop index parts_of_item",
                                            "drop index parts_of_item", 0};
    co_await tx.exec(drop);
}
Task<void> drop_the_index(Context& context) { co_await context.write(drop_index); }

}  // namespace

TEST_P(Statistics, CallsAndRowsAreCountedByStatementAndActivity) {
    store().run(add_one_by_one, std::int64_t{10}, std::int64_t{0});
    store().run(read_one_by_index);
    store().run(read_one_by_index);
    const Statement added = statement("conformance.insert_item", "add_one_by_one");
    EXPECT_EQ(added.calls, 10U);
    EXPECT_EQ(added.rows, 10U);  // of its returning
    const Statement read = statement("conformance.quantity_of", "read_one_by_index");
    EXPECT_EQ(read.calls, 2U);
    EXPECT_EQ(read.rows, 2U);
    EXPECT_GT(read.totals.latency.sum_ns, 0U);
    EXPECT_EQ(statement("conformance.quantity_of", "add_one_by_one").calls, 0U);
    expect_statements(store().registry(), "read_one_by_index", 2, 1);
}

TEST_P(SqliteStatistics, RowsReadTellAScanFromAnIndex) {
    store().run(add_some, std::int64_t{100});
    EXPECT_EQ(store().run(read_all_for_one), 1U);
    store().run(read_one_by_index);
    const auto scan = statement("conformance.items_of_quantity", "read_all_for_one").totals;
    EXPECT_EQ(scan.rows, 1U);
    EXPECT_GE(scan.scanned, 99U);
    const auto index = statement("conformance.quantity_of", "read_one_by_index").totals;
    EXPECT_EQ(index.scanned, 0U);
    EXPECT_GT(scan.steps, 10 * index.steps);
}

TEST_P(Statistics, RepeatsAreReportedOnceWithTheirPlace) {
    store().run(one_by_one, std::int64_t{10});
    EXPECT_TRUE(statistics().repeated().empty());
    store().run(one_by_one, std::int64_t{11});
    store().run(one_by_one, std::int64_t{30});
    const auto repeated = statistics().repeated();
    ASSERT_EQ(repeated.size(), 1U);
    EXPECT_EQ(repeated[0].statement, "conformance.item_by_name");
    EXPECT_EQ(repeated[0].activity, "one_by_one");
    EXPECT_EQ(repeated[0].spans, 2U);
    EXPECT_TRUE(repeated[0].place.starts_with("tests/conformance/statistics_test.cc:"))
        << repeated[0].place;
    EXPECT_EQ(store().registry().counter("loadstone_statement_repeats_total", "", "").value(), 2U);
}

TEST_P(Statistics, RepeatsInATransactionAreSeenToo) {
    store().run(write_one_by_one, std::int64_t{11});
    ASSERT_EQ(statistics().repeated().size(), 1U);
    EXPECT_EQ(statistics().repeated()[0].activity, "write_one_by_one");
}

TEST_P(Statistics, WritesOfOneRowAfterTheOtherAreRepeatsToo) {
    store().run(add_one_by_one, std::int64_t{10}, std::int64_t{0});
    EXPECT_TRUE(statistics().repeated().empty());
    store().run(add_one_by_one, std::int64_t{11}, std::int64_t{100});
    ASSERT_EQ(statistics().repeated().size(), 1U);
    EXPECT_EQ(statistics().repeated()[0].statement, "conformance.insert_item");
    EXPECT_EQ(statistics().repeated()[0].activity, "add_one_by_one");
}

TEST_P(Statistics, WritesOfManyRowsEachAreNoRepeats) {
    store().run(add_some, std::int64_t{11});
    store().run(raise_many, std::int64_t{11});
    EXPECT_TRUE(statistics().repeated().empty());
    EXPECT_EQ(statement("test.raise_all", "raise_many").rows, 121U);
}

TEST_P(Statistics, TwoPlacesAndPagesAreNoRepeats) {
    store().run(add_some, std::int64_t{100});
    store().run(at_two_places, std::int64_t{10});
    store().run(in_pages, std::int64_t{30}, std::int64_t{11});
    EXPECT_TRUE(statistics().repeated().empty());
    store().run(at_two_places, std::int64_t{11});
    EXPECT_EQ(statistics().repeated().size(), 2U);
}

// What belongs to each of many, a few rows each time.
TEST_P(Statistics, FewRowsOfEachAreRepeatsToo) {
    store().run(add_some, std::int64_t{100});
    store().run(in_pages, std::int64_t{10}, std::int64_t{10});
    EXPECT_TRUE(statistics().repeated().empty());
    store().run(in_pages, std::int64_t{11}, std::int64_t{10});
    ASSERT_EQ(statistics().repeated().size(), 1U);
    EXPECT_EQ(statistics().repeated()[0].statement, "conformance.items_after");
}

TEST_P(Statistics, StrictFailsWhatRepeats) {
    options_.statistics.strict = true;
    options_.statistics.repeats_max = 3;
    store().run(one_by_one, std::int64_t{3});
    store().run(add_one_by_one, std::int64_t{3}, std::int64_t{50});
    for (const auto repeat : {0, 1, 2}) {
        const auto failing = [&] {
            if (repeat == 0)
                store().run(one_by_one, std::int64_t{4});
            else if (repeat == 1)
                store().run(write_one_by_one, std::int64_t{4});
            else
                store().run(add_one_by_one, std::int64_t{4}, std::int64_t{100});
        };
        const bool adds = repeat == 2;
        try {
            failing();
            ADD_FAILURE() << "four runs passed where three are allowed";
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Errc::internal);
            for (const char* part :
                 {adds ? "conformance.insert_item" : "conformance.item_by_name",
                  "more than 3 times", "tests/conformance/statistics_test.cc:", "one_by_one",
                  adds ? "write all rows in one" : "ask for all rows in one"}) {
                EXPECT_NE(error.message().find(part), std::string::npos) << error.message();
            }
        }
    }
    store().run(add_some, std::int64_t{20});  // no request, no job
}

TEST_P(Statistics, WithoutABoundNothingIsARepeat) {
    options_.statistics.strict = true;
    options_.statistics.repeats_max = 0;
    store().run(one_by_one, std::int64_t{100});
    EXPECT_TRUE(statistics().repeated().empty());
}

TEST_P(Statistics, SlowOnesAreKeptWithoutTheirValues) {
    options_.statistics.slow_after = std::chrono::milliseconds(0);
    options_.statistics.slow_kept = 5;
    store().run(add_some, std::int64_t{4});
    store().run(one_by_one, std::int64_t{4});
    const auto slow = statistics().slow();
    ASSERT_EQ(slow.size(), 5U);
    EXPECT_GE(slow.front().us, slow.back().us);
    std::size_t placed = 0;
    for (const auto& each : slow) {
        if (each.statement != "conformance.item_by_name") continue;
        EXPECT_EQ(each.activity, "one_by_one");
        if (each.place.starts_with("tests/conformance/statistics_test.cc:")) ++placed;
    }
    EXPECT_EQ(placed, 4U);
}

TEST_P(SqliteStatistics, APlanThatChangesIsKeptBesideTheOneBefore) {
    store().run(parts_of_one);
    EXPECT_EQ(statistics().plans()["conformance.parts_of"].changes, 0U);
    store().run(drop_the_index);
    const auto has_changed = [&] {
        store().run(parts_of_one);
        return statistics().plans()["conformance.parts_of"].changes == 1;
    };
    ASSERT_TRUE(wait_until(has_changed, std::chrono::seconds(10)));
    const auto facts = statistics().plans()["conformance.parts_of"];
    EXPECT_NE(facts.before.find("parts_of_item"), std::string::npos) << facts.before;
    EXPECT_NE(facts.plan.find("SCAN parts"), std::string::npos) << facts.plan;
}

TEST_P(Statistics, AnExplainedStatementHasItsSteps) {
    store().run(add_some, std::int64_t{50});
    const auto inspection = store_ns::open_inspection(options_);
    store_ns::StatementText text{"conformance.items_of_quantity",
                                 std::string(sql::items_of_quantity.sqlite),
                                 std::string(sql::items_of_quantity.postgres), 1, false};
    const auto generic = inspection->explain(text, {}, false);
    ASSERT_FALSE(generic.steps.empty());
    EXPECT_FALSE(generic.is_analyzed);
    EXPECT_NE(store_ns::shape_of(generic).find("items"), std::string::npos);
    const auto real = inspection->explain(text, {"7"}, true);
    EXPECT_TRUE(real.is_analyzed);
    EXPECT_EQ(real.rows, 1U);
    EXPECT_GE(real.scanned, 49U);
    // A write is explained and changes nothing.
    text = {"conformance.delete_items", std::string(sql::delete_items.sqlite),
            std::string(sql::delete_items.postgres), 1, true};
    EXPECT_FALSE(inspection->explain(text, {}, false).steps.empty());
    EXPECT_EQ(store().run(item_count), 50);
    EXPECT_FALSE(inspection->explain(text, {"0"}, false).steps.empty());
    EXPECT_EQ(store().run(item_count), 50);
}

TEST_P(Statistics, AnInspectionCannotWrite) {
    store().run(add_some, std::int64_t{2});
    const store_ns::StatementText lie{"conformance.delete_items",
                                      std::string(sql::delete_items.sqlite),
                                      std::string(sql::delete_items.postgres), 1, false};
    const auto inspection = store_ns::open_inspection(options_);
    EXPECT_THROW(inspection->explain(lie, {"0"}, true), Error);
    EXPECT_EQ(store().run(item_count), 2);
}

class SampledPlans : public Conformance {};
INSTANTIATE_TEST_SUITE_P(On, SampledPlans, ::testing::Values(Backend::postgres),
                         [](const auto& backend) { return to_string(backend.param); });

TEST_P(SampledPlans, TellWhatPostgresReadsAndWhenAPlanChanges) {
    options_.statistics.samples_plans = true;
    options_.statistics.sample_every = std::chrono::milliseconds(10);
    auto& statistics = *store().database().statistics();
    store().run(add_some, std::int64_t{100});
    const auto sampled = [&] {
        store().run(read_all_for_one);
        store().run(parts_of_one);
        const auto plans = statistics.plans();
        const auto scan = plans.find("conformance.items_of_quantity");
        const auto parts = plans.find("conformance.parts_of");
        return scan != plans.end() && scan->second.samples > 0 && parts != plans.end() &&
               parts->second.samples > 0;
    };
    ASSERT_TRUE(wait_until(sampled, std::chrono::seconds(20)));
    const auto scan = statistics.plans()["conformance.items_of_quantity"];
    EXPECT_EQ(scan.rows, scan.samples);
    EXPECT_EQ(scan.scanned, 100 * scan.samples);
    EXPECT_EQ(statistics.plans().count("conformance.insert_item"), 0U);  // writes are never run

    store().run(drop_the_index);
    const auto changed = [&] {
        store().run(parts_of_one);
        return statistics.plans()["conformance.parts_of"].changes == 1;
    };
    ASSERT_TRUE(wait_until(changed, std::chrono::seconds(20)));
    const auto parts = statistics.plans()["conformance.parts_of"];
    EXPECT_NE(parts.before.find("parts_of_item"), std::string::npos) << parts.before;
    EXPECT_NE(parts.plan.find("Seq Scan on parts"), std::string::npos) << parts.plan;
}

TEST_P(SampledPlans, SeeWaitsForLocksOfALongStatement) {
    options_.statistics.samples_plans = true;
    options_.statistics.sample_every = std::chrono::milliseconds(10);
    auto& statistics = *store().database().statistics();
    store().run(add_item, std::string("a"), std::int64_t{1});
    const auto seen = [&] {
        auto first = store().start(Deadline::in(std::chrono::seconds(20)), update_slowly);
        auto second = store().start(Deadline::in(std::chrono::seconds(20)), update_slowly);
        first.get();
        second.get();
        return statistics.plans()["test.long_update"].lock_waits > 0;
    };
    EXPECT_TRUE(wait_until(seen, std::chrono::seconds(20)));
}

}  // namespace tests::conformance
