#include "campus/seed/popularity.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace campus::seed {

namespace {

using loadstone::Random;

TEST(Popularity, FollowsZipf) {
    Random random(1);
    const Popularity popularity(random, 100);
    std::vector<int> chosen(100);
    for (int i = 0; i < 100'000; ++i) ++chosen[popularity.choose(random)];
    double sum = 0;
    for (std::size_t thing = 0; thing < 100; ++thing) {
        sum += popularity.share(thing);
        EXPECT_NEAR(chosen[thing], 100'000 * popularity.share(thing), 600) << thing;
    }
    EXPECT_NEAR(sum, 1, 1e-9);
    std::ranges::sort(chosen, std::ranges::greater());
    EXPECT_GT(chosen[0], 5 * chosen[9]);
}

TEST(Popularity, OfOneThingItIsThatOne) {
    Random random(1);
    const Popularity popularity(random, 1);
    EXPECT_DOUBLE_EQ(popularity.share(0), 1);
    for (int i = 0; i < 10; ++i) EXPECT_EQ(popularity.choose(random), 0U);
}

}  // namespace

}  // namespace campus::seed
