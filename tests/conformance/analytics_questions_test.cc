// Questions as tools/sqlgen generates them, on both stores: each cardinality, and what parameters
// are sent as.

#include <filesystem>
#include <fstream>

#include "loadstone/analytics/export.h"
#include "tests/conformance/analytics_stage.h"
#include "tests/conformance/facts_sql.h"

namespace tests::conformance {

namespace {

using Numbers = std::vector<std::int64_t>;

// 0 to 9: as record_visits() has them.
class AnalyticsQuestions : public Analytics {
protected:
    void SetUp() override {
        auto declare = [](analytics::Facts& facts) {
            facts.table<Visit>("visits").rolled_up(
                "pages",
                loadstone::analytics::Rollup({"page"}).count("visits").max("last_at", "at"));
            facts.asked(facts_sql::tables);
        };
        start_with(declare);
        store().run(write_visits, std::int64_t{0}, std::int64_t{10});
        carry_all();
    }
};

template <class Row>
Numbers numbers_of(const std::vector<Row>& rows) {
    Numbers numbers;
    for (const Row& row : rows) numbers.push_back(row.number);
    return numbers;
}

Task<Numbers> numbers(Context& context, Numbers among, Timestamp since,
                      std::optional<double> least) {
    const auto found = co_await facts_sql::visits_of(context, among, since, least);
    co_return numbers_of(found.rows);
}

Task<Numbers> streamed(Context& context, Numbers but, std::string page) {
    Numbers found;
    auto keep = [&](const facts_sql::Seen& row) { found.push_back(row.number); };
    const Timestamp as_of = co_await facts_sql::visits_but(context, keep, but, page);
    EXPECT_GT(as_of, Timestamp());
    co_return found;
}

Task<analytics::Answer<facts_sql::VisitsByWeightRow>> weighted(
    Context& context, std::vector<facts_sql::Weight> weights) {
    co_return co_await facts_sql::visits_by_weight(context, weights);
}

Task<analytics::ExportedFile> file(Context& context, bool is_wanted, Timestamp until) {
    return facts_sql::visits_as_file(context, "1.csv", is_wanted, until);
}

}  // namespace

TEST_P(AnalyticsQuestions, ForOneRowGiveItOrSayThatThereIsNone) {
    const Timestamp before = Timestamp::now() - std::chrono::hours(1);
    const auto one = store().run(facts_sql::visit, std::int64_t{3});
    EXPECT_EQ(one.row, (facts_sql::Seen{3, "/Übersicht", {3'000'000}, 1.5}));
    EXPECT_GT(one.as_of, before);
    EXPECT_EQ(code_of([&] { store().run(facts_sql::visit, std::int64_t{10}); }), Errc::not_found);
    const auto some = store().run(facts_sql::visit_if_any, std::int64_t{4});
    ASSERT_TRUE(some.row.has_value());
    EXPECT_EQ(some.row->seconds, std::nullopt);
    const auto none = store().run(facts_sql::visit_if_any, std::int64_t{-1});
    EXPECT_FALSE(none.row.has_value());
    EXPECT_GT(none.as_of, before);
}

TEST_P(AnalyticsQuestions, TakeArraysTimesAndNulls) {
    const auto asked = [&](Numbers among, Timestamp since, std::optional<double> least) {
        return store().run(numbers, std::move(among), since, least);
    };
    EXPECT_EQ(asked({1, 3, 6, 9, 77}, {0}, std::nullopt), (Numbers{1, 3, 6, 9}));
    EXPECT_EQ(asked({1, 3, 6, 9}, {6'000'000}, std::nullopt), (Numbers{6, 9}));
    EXPECT_EQ(asked({1, 3, 6, 9}, {0}, 3.0), (Numbers{6, 9}));
    EXPECT_EQ(asked({9}, {0}, std::nullopt), (Numbers{9}));
    EXPECT_EQ(asked({}, {0}, std::nullopt), Numbers{});
    EXPECT_EQ(asked({0, -1}, {0}, std::nullopt), (Numbers{0}));
}

TEST_P(AnalyticsQuestions, GiveRowsOneByOne) {
    EXPECT_EQ(store().run(streamed, Numbers{2, 4}, std::string("/home")), (Numbers{0, 6, 8}));
    EXPECT_EQ(store().run(streamed, Numbers{}, std::string("/home")), (Numbers{0, 2, 4, 6, 8}));
    EXPECT_EQ(store().run(streamed, Numbers{}, std::string("'; select 1")), Numbers{});
}

TEST_P(AnalyticsQuestions, TakeRows) {
    const auto found =
        store().run(weighted, std::vector<facts_sql::Weight>{{7, 30}, {3, 10}, {5, 20}, {77, 1}});
    EXPECT_EQ(numbers_of(found.rows), (Numbers{3, 5, 7}));
    EXPECT_EQ(found.rows.at(0).weight, 10);
    EXPECT_TRUE(store().run(weighted, std::vector<facts_sql::Weight>{}).rows.empty());
}

TEST_P(AnalyticsQuestions, SelectFromRollups) {
    const auto found = store().run(facts_sql::pages_by_visits);
    ASSERT_EQ(found.rows.size(), 2U);
    EXPECT_EQ(found.rows[0], (facts_sql::PagesByVisitsRow{"/home", 5, {8'000'000}}));
    EXPECT_EQ(found.rows[1], (facts_sql::PagesByVisitsRow{"/Übersicht", 5, {9'000'000}}));
}

TEST_P(AnalyticsQuestions, AreExportedAsFiles) {
    const auto some = store().run(file, true, Timestamp{2'000'000});
    EXPECT_EQ(some.rows(), 2);
    std::ifstream lines(some.path());
    std::string line;
    std::getline(lines, line);
    EXPECT_EQ(line, "number,page,at,seconds");
    std::getline(lines, line);
    EXPECT_TRUE(line.starts_with("0,/home,1970-01-01 00:00:00,0")) << line;
    EXPECT_EQ(store().run(file, false, Timestamp{2'000'000}).rows(), 0);
}

INSTANTIATE_TEST_SUITE_P(Stores, AnalyticsQuestions,
                         ::testing::Values(Way{Backend::sqlite, false}, Way{Backend::sqlite, true}),
                         [](const auto& each) { return to_string(each.param); });

}  // namespace tests::conformance
