#include "loadstone/admission/rate_limiter.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "loadstone/admission/rate_limits.h"
#include "loadstone/base/error.h"

namespace loadstone::admission {
namespace {

using std::chrono::seconds;

const std::chrono::steady_clock::time_point start{std::chrono::hours(1)};

RateLimiterOptions options(std::uint32_t limit, std::uint32_t burst, std::size_t keys_max) {
    RateLimiterOptions made;
    made.name = "test";
    made.limit = limit;
    made.period = seconds(limit);  // one a second
    made.burst = burst;
    made.keys_max = keys_max;
    return made;
}

struct RateLimiterTest : ::testing::Test {
    telemetry::Registry registry;

    std::uint64_t counted(const char* name) {
        return registry.counter(name, telemetry::metric_label("limiter", "test"), "").value();
    }
};

TEST_F(RateLimiterTest, LimitsEachKeyForItself) {
    RateLimiter limiter(options(1, 2, 100), registry);
    EXPECT_TRUE(limiter.check("a", start).allowed);
    EXPECT_TRUE(limiter.check("a", start).allowed);
    EXPECT_FALSE(limiter.check("a", start).allowed);
    EXPECT_TRUE(limiter.check("b", start).allowed);
    EXPECT_TRUE(limiter.check("a", start + seconds(1)).allowed);
    EXPECT_EQ(counted("loadstone_rate_limiter_allowed_total"), 4U);
    EXPECT_EQ(counted("loadstone_rate_limiter_denied_total"), 1U);
}

TEST_F(RateLimiterTest, NeverGrowsPastItsKeys) {
    for (const std::size_t keys_max : {1U, 2U, 100U, 1024U, 5000U}) {
        RateLimiter limiter(options(1, 1, keys_max), registry);
        for (std::size_t i = 0; i < 3 * keys_max + 10; ++i) {
            limiter.check(std::to_string(i), start);
            ASSERT_LE(limiter.keys(), keys_max);
        }
        EXPECT_GE(limiter.keys(), keys_max - keys_max / 50);
    }
}

TEST_F(RateLimiterTest, ForgetsTheKeyThatHasRecoveredFurthest) {
    RateLimiter limiter(options(1, 3, 3), registry);
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(limiter.check("exhausted", start).allowed);
    EXPECT_TRUE(limiter.check("once", start).allowed);
    EXPECT_TRUE(limiter.check("twice", start).allowed);
    EXPECT_TRUE(limiter.check("twice", start).allowed);
    EXPECT_TRUE(limiter.check("new", start).allowed);  // "once" makes room
    EXPECT_EQ(limiter.keys(), 3U);
    EXPECT_FALSE(limiter.check("exhausted", start).allowed);
    EXPECT_EQ(limiter.check("twice", start).remaining, 0U);
    EXPECT_EQ(counted("loadstone_rate_limiter_forgotten_total"), 1U);
}

TEST_F(RateLimiterTest, CannotBeWashedOutByAFloodOfNewKeys) {
    RateLimiter limiter(options(1, 5, 50), registry);
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(limiter.check("attacked", start).allowed);
    for (int i = 0; i < 10'000; ++i) limiter.check(std::to_string(i), start);
    EXPECT_FALSE(limiter.check("attacked", start).allowed);
    EXPECT_EQ(limiter.keys(), 50U);
}

TEST_F(RateLimiterTest, DoesNotCountWhatHadRecoveredAsForgotten) {
    RateLimiter limiter(options(1, 1, 1), registry);
    limiter.check("a", start);
    limiter.check("b", start + seconds(1));
    EXPECT_EQ(counted("loadstone_rate_limiter_forgotten_total"), 0U);
}

TEST_F(RateLimiterTest, TellsLongKeysApart) {
    RateLimiter limiter(options(1, 1, 10), registry);
    const std::string prefix(1000, 'x');
    EXPECT_TRUE(limiter.check(prefix + "a", start).allowed);
    EXPECT_FALSE(limiter.check(prefix + "a", start).allowed);
    EXPECT_TRUE(limiter.check(prefix + "b", start).allowed);
}

TEST_F(RateLimiterTest, AllowsExactlyTheBurstToManyThreads) {
    RateLimiter limiter(options(1, 100, 2000), registry);
    std::atomic<int> allowed{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] {
            for (int i = 0; i < 5000; ++i) {
                allowed += limiter.check("shared", start).allowed ? 1 : 0;
                limiter.check(std::to_string(i), start);
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(allowed, 100);
    EXPECT_LE(limiter.keys(), 2000U);
}

TEST_F(RateLimiterTest, TakesItsGaugesAlong) {
    {
        RateLimiter limiter(options(1, 1, 10), registry);
        limiter.check("a", start);
        EXPECT_NE(registry.prometheus().find("loadstone_rate_limiter_keys{limiter=\"test\"} 1"),
                  std::string::npos);
    }
    EXPECT_EQ(registry.prometheus().find("loadstone_rate_limiter_keys"), std::string::npos);
}

TEST(RateLimits, ThrowWhenALimitIsUsedUp) {
    telemetry::Registry registry;
    RateLimits limits(true, 1000, registry);
    limits.check_or_throw("login", "ann", 2, std::chrono::minutes(1));
    limits.check_or_throw("login", "ann", 2, std::chrono::minutes(1));
    limits.check_or_throw("login", "bob", 2, std::chrono::minutes(1));
    limits.check_or_throw("other", "ann", 2, std::chrono::minutes(1));
    try {
        limits.check_or_throw("login", "ann", 2, std::chrono::minutes(1));
        FAIL() << "it did not throw";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Errc::resource_exhausted);
        ASSERT_TRUE(error.retry_after().has_value());
        EXPECT_GT(*error.retry_after(), seconds(20));
        EXPECT_LE(*error.retry_after(), seconds(30));
        EXPECT_EQ(error.message(), "too many attempts: login allows 2 in 60 s");
    }
}

TEST(RateLimits, AllowEverythingWhenTheyAreOff) {
    telemetry::Registry registry;
    RateLimits limits(false, 1000, registry);
    for (int i = 0; i < 100; ++i) limits.check_or_throw("login", "ann", 1, seconds(1));
}

}  // namespace
}  // namespace loadstone::admission
