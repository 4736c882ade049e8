#include <gtest/gtest.h>

#include <thread>

#include "loadstone/telemetry/registry.h"

namespace loadstone::telemetry {
namespace {

StatementUse use_of(LabelIndex statement, LabelIndex activity) {
    StatementUse use;
    use.statement = statement;
    use.activity = activity;
    use.ns = 2'000'000;
    use.rows = 3;
    use.pool_ns = 10;
    use.lock_ns = 20;
    use.scanned = 30;
    use.steps = 40;
    use.sorts = 1;
    use.auto_indexes = 5;
    return use;
}

std::vector<StatementTotals> totals_of(const StatementTable& table) {
    std::vector<StatementTotals> totals;
    table.add_to(totals);
    return totals;
}

TEST(StatementTable, AddsUpEachStatementOfEachActivity) {
    StatementTable table(8);
    table.record(use_of(1, 2));
    StatementUse failed = use_of(1, 2);
    failed.failed = true;
    table.record(failed);
    table.record(use_of(1, 3));
    const auto totals = totals_of(table);
    ASSERT_EQ(totals.size(), 2U);
    const StatementTotals& both = totals[0].activity == 2 ? totals[0] : totals[1];
    EXPECT_EQ(both.statement, 1);
    EXPECT_EQ(both.latency.total, 2U);
    EXPECT_EQ(both.latency.sum_ns, 4'000'000U);
    EXPECT_GE(both.latency.quantile_ns(0.99), 2'000'000U);
    EXPECT_LE(both.latency.quantile_ns(0.99), 2'250'000U);
    EXPECT_EQ(both.failures, 1U);
    EXPECT_EQ(both.rows, 6U);
    EXPECT_EQ(both.pool_ns, 20U);
    EXPECT_EQ(both.lock_ns, 40U);
    EXPECT_EQ(both.scanned, 60U);
    EXPECT_EQ(both.steps, 80U);
    EXPECT_EQ(both.sorts, 2U);
    EXPECT_EQ(both.auto_indexes, 10U);
    EXPECT_FALSE(both.is_other);
}

// How many of `pairs` have a place of their own, and what is in "other".
std::pair<std::size_t, std::uint64_t> filled(std::size_t entries_max, std::size_t pairs) {
    StatementTable table(entries_max);
    for (std::size_t i = 0; i < pairs; ++i)
        table.record(use_of(static_cast<LabelIndex>(i % 7 + 1), static_cast<LabelIndex>(i / 7)));
    std::size_t own = 0;
    std::uint64_t other = 0;
    for (const StatementTotals& totals : totals_of(table)) {
        if (totals.is_other)
            other += totals.latency.total;
        else
            ++own;
    }
    return {own, other};
}

TEST(StatementTable, BeyondItsBoundTheRestIsOther) {
    constexpr std::size_t entries_max = 100;
    EXPECT_EQ(filled(entries_max, entries_max - 1), std::pair(entries_max - 1, std::uint64_t{0}));
    EXPECT_EQ(filled(entries_max, entries_max), std::pair(entries_max, std::uint64_t{0}));
    EXPECT_EQ(filled(entries_max, entries_max + 1), std::pair(entries_max, std::uint64_t{1}));
    EXPECT_EQ(filled(entries_max, entries_max + 50), std::pair(entries_max, std::uint64_t{50}));
}

TEST(StatementTable, WhatIsKnownIsStillFoundWhenItIsFull) {
    StatementTable table(1);
    table.record(use_of(1, 1));
    table.record(use_of(2, 1));
    table.record(use_of(1, 1));
    const auto totals = totals_of(table);
    ASSERT_EQ(totals.size(), 2U);
    EXPECT_EQ(totals[0].is_other ? totals[1].latency.total : totals[0].latency.total, 2U);
}

TEST(Registry, StatementsOfAllThreadsAreAddedUp) {
    Registry registry(true, 4);
    const auto record = [&registry] { registry.shard().record_statement(use_of(1, 2)); };
    std::thread one(record);
    std::thread two(record);
    one.join();
    two.join();
    record();
    const auto totals = registry.statements();
    ASSERT_EQ(totals.size(), 1U);
    EXPECT_EQ(totals[0].latency.total, 3U);
}

TEST(Registry, MetricsOfStatementsNameNoActivity) {
    Registry registry(true, 1);
    const LabelIndex route = registry.add_label(LabelKind::route, "GET /a", "m");
    const LabelIndex one = registry.add_label(LabelKind::query, "m.one", "m");
    const LabelIndex two = registry.add_label(LabelKind::query, "m.two", "m");
    registry.shard().record_statement(use_of(one, route));
    registry.shard().record_statement(use_of(two, route));
    const std::string text = registry.prometheus();
    EXPECT_NE(
        text.find("loadstone_statement_scanned_rows_total{statement=\"m.one\",module=\"m\"} 30"),
        std::string::npos);
    EXPECT_NE(text.find("loadstone_statement_overflow_total 1"), std::string::npos);
    for (std::size_t at = text.find("loadstone_statement_"); at != std::string::npos;
         at = text.find("loadstone_statement_", at + 1)) {
        const std::string line = text.substr(at, text.find('\n', at) - at);
        EXPECT_EQ(line.find("GET /a"), std::string::npos) << line;
    }
}

}  // namespace
}  // namespace loadstone::telemetry
