#include "loadstone/cache/internal/recomputation_limit.h"

#include <gtest/gtest.h>

#include <vector>

namespace loadstone::cache::internal {
namespace {

using std::chrono::microseconds;

class RecomputationLimitTest : public ::testing::Test {
protected:
    // As many questions as make a decision.
    void ask(microseconds took, std::size_t under_way,
             std::size_t questions = RecomputationLimit::questions_each) {
        for (std::size_t i = 0; i < questions; ++i) {
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
        std::size_t questions = RecomputationLimit::questions_each;
    };
    const std::vector<Step> steps{
        {100, 4, 5},      {130, 5, 6},                  // as when quiet, just
        {110, 3, 6},                                    // not used up: nothing is learnt
        {132, 6, 3},                                    // halves
        {200, 3, 1, 6},   {200, 1, 1, 6},               // one is left; six are enough to tell
        {90, 1, 2},                                     // nothing is known against two
        {100, 2, 2},      {100, 2, 2},    {100, 2, 2},  // three were too many
        {100, 2, 2},      {100, 2, 3},                  // they are tried again
        {5'000, 3, 1, 3}, {100, 1, 2},
    };
    for (const Step& step : steps) {
        ask(microseconds(step.took_us), step.under_way, step.questions);
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

// A database that bears one at a time.
TEST_F(RecomputationLimitTest, TriesWhatWasTooManyMoreAndMoreSeldom) {
    ask(microseconds(100), 0);
    const auto ask_for_more = [&] {
        const auto tried = limit_.limit();
        ask(microseconds(tried > 1 ? 200 : 100), tried, tried > 1 ? 6 : 8);
        return tried > 1;
    };
    int tried = 0;
    for (int i = 0; i < 600; ++i) tried += ask_for_more() ? 1 : 0;
    EXPECT_LE(tried, 11);
    tried = 0;
    for (int i = 0; i < 2'600; ++i) tried += ask_for_more() ? 1 : 0;
    EXPECT_GE(tried, 8);
    EXPECT_LE(tried, 11);
}

TEST_F(RecomputationLimitTest, GoesOnAtOnceWhenWhatWasTooManyIsBorne) {
    ask(microseconds(100), 0);
    for (int i = 0; i < 600; ++i) ask(microseconds(limit_.limit() > 1 ? 200 : 100), limit_.limit());
    const auto most = static_cast<int>(RecomputationLimit::tries_after_max);
    for (int i = 0; i < most + 16; ++i) ask(microseconds(100), limit_.limit());
    EXPECT_EQ(limit_.limit(), 16U);
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
