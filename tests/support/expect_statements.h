#pragma once
// What statements cost, for tests: what a route or job has run, from the statistics.

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "loadstone/telemetry/registry.h"

namespace tests {

struct Statement {
    std::uint64_t calls = 0;
    std::uint64_t rows = 0;
    loadstone::telemetry::StatementTotals totals;
};

// Of one statement in one route or job; zeros if it has not run there.
inline Statement statement_in(const loadstone::telemetry::Registry& registry,
                              std::string_view statement, std::string_view activity) {
    for (const auto& totals : registry.statements()) {
        if (registry.name_of(totals.statement) != statement) continue;
        if (registry.name_of(totals.activity) != activity) continue;
        return {totals.latency.total, totals.rows, totals};
    }
    return {};
}

// That a route or job has run no more than `statements_max` statements each of `times` it ran, and
// that it has run any. Without a transaction's own (commit).
inline void expect_statements(const loadstone::telemetry::Registry& registry,
                              std::string_view activity, std::uint64_t times,
                              std::uint64_t statements_max) {
    std::uint64_t calls = 0;
    std::string which;
    for (const auto& totals : registry.statements()) {
        const std::string_view statement = registry.name_of(totals.statement);
        if (registry.name_of(totals.activity) != activity || statement.starts_with("loadstone."))
            continue;
        calls += totals.latency.total;
        which += "\n  " + std::string(statement) + ": " + std::to_string(totals.latency.total);
    }
    EXPECT_GT(calls, 0U) << activity << " has run no statement";
    EXPECT_LE(calls, times * statements_max)
        << activity << " ran " << calls << " statements in " << times << " runs, " << statements_max
        << " each are allowed:" << which;
}

}  // namespace tests
