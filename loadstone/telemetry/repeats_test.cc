#include "loadstone/telemetry/repeats.h"

#include <gtest/gtest.h>

namespace loadstone::telemetry {
namespace {

TEST(Repeats, CountsEachKey) {
    Repeats repeats;
    EXPECT_EQ(repeats.add(7), 1U);
    EXPECT_EQ(repeats.add(8), 1U);
    EXPECT_EQ(repeats.add(7), 2U);
    EXPECT_EQ(repeats.times(7), 2U);
    EXPECT_EQ(repeats.times(9), 0U);
}

TEST(Repeats, AKeyThatComesLateIsCountedAsWell) {
    Repeats repeats;
    for (std::uint64_t key = 1; key <= 3 * Repeats::entries_max; ++key) repeats.add(key);
    for (std::uint32_t times = 1; times <= 11; ++times) EXPECT_EQ(repeats.add(1'000), times);
}

TEST(Repeats, AsManyInTurnAsThereAreEntriesAreCountedExactly) {
    for (const std::size_t keys : {Repeats::entries_max - 1, Repeats::entries_max}) {
        Repeats repeats;
        for (int round = 0; round < 20; ++round) {
            for (std::uint64_t key = 1; key <= keys; ++key) repeats.add(key);
        }
        for (std::uint64_t key = 1; key <= keys; ++key) EXPECT_EQ(repeats.times(key), 20U);
    }
    // One more, and none is ever counted too high.
    Repeats repeats;
    for (int round = 1; round <= 20; ++round) {
        for (std::uint64_t key = 1; key <= Repeats::entries_max + 1; ++key)
            EXPECT_LE(repeats.add(key), static_cast<std::uint32_t>(round));
    }
}

}  // namespace
}  // namespace loadstone::telemetry
