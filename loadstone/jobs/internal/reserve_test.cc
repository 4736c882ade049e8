#include "loadstone/jobs/internal/reserve.h"

#include <gtest/gtest.h>

namespace loadstone::jobs::internal {
namespace {

const std::vector<std::string> modules{"a", "a", "b", "c"};

TEST(Reserve, IsOnePlaceForEachOtherQueueOfWhichNothingRuns) {
    const Reserved all = reserved_beside(0, modules, {60, 0, 0, 0}, 64, 16);
    EXPECT_EQ(all.process, 3U);
    EXPECT_EQ(all.module, 1U);
    const Reserved one = reserved_beside(0, modules, {60, 1, 0, 1}, 64, 16);
    EXPECT_EQ(one.process, 1U);
    EXPECT_EQ(one.module, 0U);
    EXPECT_EQ(reserved_beside(0, modules, {0, 1, 1, 1}, 64, 16).process, 0U);
}

TEST(Reserve, IsAQuarterOfThePlacesAtMost) {
    EXPECT_EQ(reserved_beside(0, modules, {0, 0, 0, 0}, 8, 16).process, 2U);
    EXPECT_EQ(reserved_beside(0, modules, {0, 0, 0, 0}, 4, 16).process, 1U);
    EXPECT_EQ(reserved_beside(0, modules, {0, 0, 0, 0}, 3, 3).process, 0U);
    EXPECT_EQ(reserved_beside(0, modules, {0, 0, 0, 0}, 64, 3).module, 0U);
}

TEST(Reserve, LeavesTheLastPlaceToAQueueOfWhichNothingRuns) {
    EXPECT_EQ(beside_reserved(10, 3, false), 7U);
    EXPECT_EQ(beside_reserved(3, 3, false), 0U);
    EXPECT_EQ(beside_reserved(3, 3, true), 1U);
    EXPECT_EQ(beside_reserved(1, 2, true), 1U);
    EXPECT_EQ(beside_reserved(0, 2, true), 0U);
    EXPECT_EQ(beside_reserved(5, 0, true), 5U);
}

}  // namespace
}  // namespace loadstone::jobs::internal
