#include "loadstone/cache/internal/early.h"

#include <gtest/gtest.h>

#include "loadstone/base/random.h"

namespace loadstone::cache::internal {
namespace {

using std::chrono::milliseconds;

// Of 10,000 who ask.
int due(milliseconds age, milliseconds took) {
    Random random(7);
    int count = 0;
    for (int i = 0; i < 10'000; ++i)
        count += is_due_early(age, took, milliseconds(1'000), random.uniform()) ? 1 : 0;
    return count;
}

TEST(Early, IsSureAtTheEndAndByChanceBefore) {
    EXPECT_EQ(due(milliseconds(1'000), milliseconds(0)), 10'000);
    EXPECT_EQ(due(milliseconds(999), milliseconds(0)), 0);
    // By the exponential law: exp(-left / took).
    EXPECT_NEAR(due(milliseconds(900), milliseconds(100)), 3'679, 150);
    EXPECT_NEAR(due(milliseconds(800), milliseconds(100)), 1'353, 150);
    EXPECT_NEAR(due(milliseconds(900), milliseconds(20)), 67, 40);
    EXPECT_LT(due(milliseconds(0), milliseconds(50)), 3);
}

}  // namespace
}  // namespace loadstone::cache::internal
