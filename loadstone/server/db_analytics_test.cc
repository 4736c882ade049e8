#include "loadstone/server/internal/db_analytics.h"

#include <gtest/gtest.h>

namespace loadstone::server::internal {
namespace {

StatementPlan statement(const std::string& name, const std::string& sql) {
    StatementPlan plan;
    plan.statement = name;
    plan.postgres = sql;
    return plan;
}

// 10 calls of 8 MB and 5 ms: what 100,000 rows take.
store::ServerUse use_of(const std::string& sql) {
    store::ServerUse use;
    use.text = sql;
    use.calls = 10;
    use.hit_bytes = 60'000'000;
    use.read_bytes = 20'000'000;
    use.total_ms = 50;
    return use;
}

constexpr std::uint64_t rows_min = 100'000;
const std::string sums = "select sum(points) from facts";

TEST(DbAnalytics, SuspectsWhatAddsUpAndReadsMuch) {
    StatementReport report;
    report.statements = {statement("facts.sums", sums), statement("facts.sums", sums),
                         statement("facts.all", "select * from facts")};
    store::ServerStatistics server;
    server.statements = {use_of(sums), use_of("select * from facts")};
    const auto suspects = analytic_suspects(report, server, rows_min);
    ASSERT_EQ(suspects.size(), 1U);
    EXPECT_EQ(suspects[0].statement, "facts.sums");
    EXPECT_EQ(suspects[0].bytes_a_call, 8'000'000);
    EXPECT_DOUBLE_EQ(suspects[0].ms_a_call, 5);
    EXPECT_NE(suspects_text(suspects).find("db explain facts.sums"), std::string::npos);
    EXPECT_TRUE(analytic_suspects(report, server, 0).empty());
}

TEST(DbAnalytics, SuspectsNothingThatReadsLessOrIsQuick) {
    StatementReport report;
    report.statements = {statement("facts.sums", sums)};
    store::ServerStatistics server;
    server.statements = {use_of(sums)};
    server.statements[0].read_bytes -= 1;
    EXPECT_TRUE(analytic_suspects(report, server, rows_min).empty());
    server.statements[0] = use_of(sums);
    server.statements[0].total_ms -= 0.1;
    EXPECT_TRUE(analytic_suspects(report, server, rows_min).empty());
    server.statements[0] = use_of(sums);
    server.statements[0].calls = 0;
    EXPECT_TRUE(analytic_suspects(report, server, rows_min).empty());
}

TEST(DbAnalytics, SuspectsNothingOfWhichMoreIsKnown) {
    StatementReport report;
    report.statements = {statement("facts.sums", sums)};
    store::ServerStatistics server;
    server.statements = {use_of(sums)};
    report.statements[0].samples = 1;  // its plan was looked at
    EXPECT_TRUE(analytic_suspects(report, server, rows_min).empty());
    report.statements[0].samples = 0;
    report.analytic.emplace_back().statement = "facts.sums";
    EXPECT_TRUE(analytic_suspects(report, server, rows_min).empty());
}

TEST(DbAnalytics, SaysWhatARunCostAndWhere) {
    AnalyticLine line;
    line.statement = "facts.sums";
    line.activity = "GET /sums";
    line.place = "campus/facts/queries.cc:7";
    line.times = 3;
    line.read = 250'000;
    line.rows = 12;
    line.us = 81'000;
    EXPECT_EQ(analytic_text({line}),
              "for the column store: facts.sums read 250000 rows for 12 in 81 ms in GET /sums, at "
              "campus/facts/queries.cc:7 (3 times seen): declare a view or an aggregate, or ask "
              "analytics\n");
    line.is_of_view = true;
    EXPECT_EQ(analytic_text({line}),
              "by a view: facts.sums read 250000 rows for 12 in 81 ms in GET /sums, at "
              "campus/facts/queries.cc:7 (3 times seen): that is what computing it costs; its "
              "answer is kept\n");
    line.is_estimate = true;
    line.cpu_us = 79'000;
    EXPECT_NE(analytic_text({line}).find("read about 250000 rows for 12 in 81 ms (79 ms CPU)"),
              std::string::npos);
}

}  // namespace
}  // namespace loadstone::server::internal
