#include "loadstone/store/sqlite/heavy_statements.h"

#include <gtest/gtest.h>

#include <vector>

namespace loadstone::store::sqlite {
namespace {

// Runs that go to the lane before the next try on the loop.
std::uint32_t lane_runs(HeavyStatements& heavy, const void* statement) {
    std::uint32_t runs = 0;
    while (heavy.goes_to_lane(statement)) ++runs;
    return runs;
}

TEST(HeavyStatements, TriesOnTheLoopWhatIsNotKnown) {
    HeavyStatements heavy;
    const int statement = 0;
    EXPECT_FALSE(heavy.goes_to_lane(&statement));
    EXPECT_EQ(heavy.size(), 0U);
}

TEST(HeavyStatements, DoublesTheRunsBetweenTriesUpToTheMost) {
    HeavyStatements heavy;
    const int statement = 0;
    std::uint32_t expected = HeavyStatements::lane_runs_min;
    for (int i = 0; i < 12; ++i) {
        heavy.exceeded(&statement);
        EXPECT_EQ(lane_runs(heavy, &statement), expected);
        expected = std::min(expected * 2, HeavyStatements::lane_runs_max);
    }
    EXPECT_EQ(expected, HeavyStatements::lane_runs_max);
}

TEST(HeavyStatements, ForgetsAStatementThatFitsAgain) {
    HeavyStatements heavy;
    const int statement = 0;
    heavy.exceeded(&statement);
    heavy.exceeded(&statement);
    heavy.fitted(&statement);
    EXPECT_FALSE(heavy.goes_to_lane(&statement));
    heavy.exceeded(&statement);
    EXPECT_EQ(lane_runs(heavy, &statement), HeavyStatements::lane_runs_min);
}

TEST(HeavyStatements, HoldsNoMoreThanItsBound) {
    HeavyStatements heavy;
    const std::vector<char> statements(HeavyStatements::statements_max + 1);
    for (std::size_t i = 0; i < HeavyStatements::statements_max; ++i)
        heavy.exceeded(&statements[i]);
    EXPECT_EQ(heavy.size(), HeavyStatements::statements_max);
    heavy.exceeded(&statements.back());
    EXPECT_EQ(heavy.size(), 1U);
    EXPECT_TRUE(heavy.goes_to_lane(&statements.back()));
}

}  // namespace
}  // namespace loadstone::store::sqlite
