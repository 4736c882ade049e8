#include "loadstone/base/log_throttle.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace loadstone::log {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr Throttle::Clock::time_point start{std::chrono::hours(1)};

TEST(LogThrottle, TakesTheFirst) {
    Throttle throttle(milliseconds(10));
    EXPECT_EQ(throttle.take(start), 0U);
}

TEST(LogThrottle, TakesTheFirstAtTheClocksOrigin) {
    Throttle throttle(milliseconds(10));
    EXPECT_EQ(throttle.take({}), 0U);
    EXPECT_EQ(throttle.take({}), std::nullopt);
}

TEST(LogThrottle, TakesTheNextWhenTheIntervalIsOver) {
    Throttle throttle(milliseconds(10));
    throttle.take(start);
    EXPECT_EQ(throttle.take(start + milliseconds(10) - nanoseconds(1)), std::nullopt);
    EXPECT_EQ(throttle.take(start + milliseconds(10)), 1U);
    EXPECT_EQ(throttle.take(start + milliseconds(20) - nanoseconds(1)), std::nullopt);
    EXPECT_EQ(throttle.take(start + milliseconds(20) + nanoseconds(1)), 1U);
}

TEST(LogThrottle, SaysHowManyWereLeftUnsaidOnce) {
    Throttle throttle(milliseconds(10));
    throttle.take(start);
    for (int i = 0; i < 1'000; ++i) EXPECT_EQ(throttle.take(start), std::nullopt);
    EXPECT_EQ(throttle.take(start + milliseconds(10)), 1'000U);
    EXPECT_EQ(throttle.take(start + milliseconds(20)), 0U);
}

TEST(LogThrottle, TakesEachWithoutAnInterval) {
    Throttle throttle(milliseconds(0));
    for (int i = 0; i < 3; ++i) EXPECT_EQ(throttle.take(start), 0U);
}

TEST(LogThrottle, CountsEachOfSeveralThreads) {
    constexpr int threads_max = 4;
    constexpr int each = 10'000;
    Throttle throttle(milliseconds(10));
    std::atomic<std::uint64_t> told{0};
    std::vector<std::thread> threads;
    for (int thread = 0; thread < threads_max; ++thread) {
        threads.emplace_back([&] {
            for (int i = 0; i < each; ++i) {
                const auto unsaid = throttle.take(start + milliseconds(i));
                if (unsaid) told += *unsaid + 1;
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    const auto rest = throttle.take(start + std::chrono::hours(1));
    ASSERT_TRUE(rest);
    EXPECT_EQ(told + *rest, std::uint64_t{threads_max} * each);
}

}  // namespace
}  // namespace loadstone::log
