#include "loadstone/base/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <set>

namespace loadstone {
namespace {

TEST(Random, ReplaysTheReferenceSequence) {
    // xoshiro256** 1.0 seeded by splitmix64(42), computed apart.
    Random random(42);
    EXPECT_EQ(random.next(), 1546998764402558742U);
    EXPECT_EQ(random.next(), 6990951692964543102U);
    EXPECT_EQ(random.next(), 12544586762248559009U);
    EXPECT_EQ(random.next(), 17057574109182124193U);
}

TEST(Random, DiffersBySeed) { EXPECT_NE(Random(1).next(), Random(2).next()); }

TEST(Random, UniformStaysBelowOneAndIsSpreadEvenly) {
    Random random(1);
    double sum = 0;
    for (int i = 0; i < 100'000; ++i) {
        const double value = random.uniform();
        ASSERT_GE(value, 0);
        ASSERT_LT(value, 1);
        sum += value;
    }
    EXPECT_NEAR(sum / 100'000, 0.5, 0.01);
}

TEST(Random, BelowHitsEveryValueAlike) {
    Random random(1);
    std::array<int, 6> hits{};
    for (int i = 0; i < 60'000; ++i) ++hits.at(random.below(hits.size()));
    for (const int count : hits) EXPECT_NEAR(count, 10'000, 500);
}

TEST(Random, BelowOneIsZeroAndTheLargestBoundIsKept) {
    Random random(1);
    for (int i = 0; i < 100; ++i) {
        EXPECT_EQ(random.below(1), 0U);
        EXPECT_LT(random.below(~std::uint64_t{0}), ~std::uint64_t{0});
        EXPECT_LT(random.below((std::uint64_t{1} << 63) + 1), (std::uint64_t{1} << 63) + 1);
    }
}

TEST(RandomDeathTest, BelowZeroIsABug) {
    EXPECT_DEATH(Random(1).below(0), "there is no number below 0");
}

TEST(Secret, FillsTheWholeSpan) {
    // Larger than the 256 bytes that getrandom gives in one piece for certain.
    std::array<std::byte, 100'000> bytes{};
    fill_secret(bytes);
    for (std::size_t i = 0; i < bytes.size(); i += 1000) {
        const auto piece = std::span(bytes).subspan(i, 1000);
        EXPECT_TRUE(std::ranges::any_of(piece, [](std::byte byte) { return byte != std::byte{}; }));
    }
}

TEST(Secret, TokensAreBase64UrlAndDistinct) {
    std::set<std::string> tokens;
    for (int i = 0; i < 1000; ++i) tokens.insert(secret_token(32));
    EXPECT_EQ(tokens.size(), 1000U);
    for (const std::string& token : tokens) {
        EXPECT_EQ(token.size(), 43U);
        EXPECT_EQ(token.find_first_of("+/="), std::string::npos);
    }
    EXPECT_EQ(secret_token(0), "");
}

}  // namespace
}  // namespace loadstone
