#include "campus/seed/options.h"

#include <gtest/gtest.h>

#include <vector>

#include "loadstone/base/error.h"

namespace campus::seed {

namespace {

const loadstone::Timestamp noon = *loadstone::timestamp_from_rfc3339("2026-01-31T12:00:00Z");

Options options(const std::vector<std::string>& arguments) { return options_of(arguments, noon); }

TEST(SeedOptions, TheRestIsInProportionToTheUsers) {
    const Options usual = options({});
    EXPECT_EQ(usual.users, 100'000);
    EXPECT_EQ(usual.courses, 2'000);
    EXPECT_EQ(usual.progress, 2'000'000);
    EXPECT_EQ(loadstone::to_rfc3339(usual.until), "2026-01-31T00:00:00.000000Z");
    EXPECT_FALSE(usual.is_added);
    const Options few = options({"--courses=7", "--users=500", "--add", "--seed=3"});
    EXPECT_EQ(few.courses, 7);
    EXPECT_EQ(few.progress, 10'000);
    EXPECT_EQ(few.seed, 3U);
    EXPECT_TRUE(few.is_added);
    EXPECT_EQ(options({"--users=10"}).courses, 10);
}

TEST(SeedOptions, HaveBounds) {
    for (const char* wrong :
         {"--users=9", "--users=10000001", "--users=", "--users=1e3", "--courses=0",
          "--courses=100001", "--progress=-1", "--progress=100000001", "--seed=-1", "--until=31.1.",
          "--until=2026-02-30", "--unknown=1", "word"}) {
        EXPECT_THROW(options({wrong}), loadstone::Error) << wrong;
    }
    for (const char* right : {"--users=10", "--users=10000000", "--courses=1", "--courses=100000",
                              "--progress=0", "--progress=100000000", "--until=2025-02-28"}) {
        EXPECT_NO_THROW(options({right})) << right;
    }
}

}  // namespace

}  // namespace campus::seed
