#include "loadstone/cache/internal/recomputation_limit.h"

#include <gtest/gtest.h>

#include <vector>

namespace loadstone::cache::internal {
namespace {

using std::chrono::microseconds;

class RecomputationLimitTest : public ::testing::Test {
protected:
    // As many questions as make a decision.
    void ask(microseconds took, std::size_t under_way) {
        for (std::size_t i = 0; i < RecomputationLimit::questions_each; ++i) {
            now_ += microseconds(100);
            limit_.asked(took, under_way, now_);
        }
    }
    void ask_for(std::chrono::seconds time, microseconds took, std::size_t under_way) {
        const auto end = now_ + time;
        while (now_ < end) {
            now_ += std::chrono::milliseconds(10);
            limit_.asked(took, under_way, now_);
        }
    }

    RecomputationLimit limit_{{.max = 16}};
    RecomputationLimit::Clock::time_point now_{std::chrono::hours(1)};
};

TEST_F(RecomputationLimitTest, BeginsWithAQuarterAndStaysThereWhileNothingIsKnown) {
    EXPECT_EQ(limit_.limit(), 4U);
    ask(microseconds(900), 4);
    EXPECT_EQ(limit_.limit(), 4U);
    EXPECT_EQ(RecomputationLimit({.max = 1}).limit(), 1U);
}

// Each step: how long a question takes, how many are computed, what may be afterwards.
TEST_F(RecomputationLimitTest, FollowsWhatQuestionsTake) {
    ask(microseconds(100), 0);
    struct Step {
        int took_us;
        std::size_t under_way, limit;
    };
    const std::vector<Step> steps{
        {100, 4, 5}, {130, 5, 6},               // as when quiet, just
        {110, 3, 6},                            // not used up: nothing is learnt
        {132, 6, 3}, {200, 3, 1}, {200, 1, 1},  // halves, and one is left
        {90, 1, 2},  {100, 2, 3}, {5'000, 3, 1}, {100, 1, 2},
    };
    for (const Step& step : steps) {
        ask(microseconds(step.took_us), step.under_way);
        EXPECT_EQ(limit_.limit(), step.limit) << step.took_us << " us, " << step.under_way;
    }
    for (int i = 0; i < 100; ++i) ask(microseconds(100), limit_.limit());
    EXPECT_EQ(limit_.limit(), 16U);
}

TEST_F(RecomputationLimitTest, TakesOneSlowQuestionForNoLoad) {
    ask(microseconds(100), 0);
    limit_.asked(std::chrono::seconds(10), 0, now_);  // quiet is 100 us all the same, about
    ask(microseconds(200), 4);
    EXPECT_EQ(limit_.limit(), 2U);
}

TEST_F(RecomputationLimitTest, FollowsADatabaseThatHasBecomeSlower) {
    ask(microseconds(100), 0);
    ask_for(std::chrono::seconds(20), microseconds(200), limit_.limit());
    EXPECT_EQ(limit_.limit(), 1U);
    ask_for(std::chrono::seconds(60), microseconds(200), 16);
    EXPECT_GT(limit_.limit(), 1U);
}

// A model of a server of two cores: a question waits for a core as long as there are more who want
// one than there are cores.
TEST_F(RecomputationLimitTest, LeavesCoresToOthers) {
    ask(microseconds(100), 0);
    std::size_t most = 0;
    for (int i = 0; i < 200; ++i) {
        const double wanting = static_cast<double>(limit_.limit()) + 1;
        ask(microseconds(static_cast<int>(100 * std::max(1.0, wanting / 2))), limit_.limit());
        if (i > 10) most = std::max(most, limit_.limit());
    }
    EXPECT_LE(most, 2U);
}

}  // namespace
}  // namespace loadstone::cache::internal
