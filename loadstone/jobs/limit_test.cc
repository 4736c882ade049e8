// Limits by table: concurrency, rate, burst, clocks that jump.

#include "loadstone/jobs/limit.h"

#include <gtest/gtest.h>

#include "loadstone/base/random.h"

namespace loadstone::jobs {
namespace {

constexpr std::int64_t second = 1'000'000;
constexpr std::int64_t now = 1'700'000'000 * second;

TEST(Limit, WithoutAnyAllIsAllowed) { EXPECT_EQ(allowance({}, {}, now, 7).count, 7); }

TEST(Limit, OfOneKeySoManyRunAtOnce) {
    const Limit limit{.name = "reports", .running_max = 3};
    struct Case {
        std::int64_t running, wanted, allowed;
    };
    for (const Case& c : {Case{0, 5, 3}, {2, 5, 1}, {3, 5, 0}, {4, 5, 0}, {0, 2, 2}}) {
        const Allowance allowed = allowance(limit, {.running = c.running}, now, c.wanted);
        EXPECT_EQ(allowed.count, c.allowed) << c.running << " run, wanted " << c.wanted;
        EXPECT_EQ(allowed.retry_in_us, 0);
    }
}

TEST(Limit, ABurstThenTheRate) {
    const Limit limit{.name = "mail", .per_second = 10, .burst = 5};
    LimitState state;
    EXPECT_EQ(allowance(limit, state, now, 100).count, 5);
    state = started(limit, state, now, 5);
    const Allowance none = allowance(limit, state, now, 100);
    EXPECT_EQ(none.count, 0);
    EXPECT_EQ(none.retry_in_us, 100'000);
    EXPECT_EQ(allowance(limit, state, now + 99'999, 100).count, 0);
    EXPECT_EQ(allowance(limit, state, now + 100'000, 100).count, 1);
    EXPECT_EQ(allowance(limit, state, now + 250'000, 100).count, 2);
    EXPECT_EQ(allowance(limit, state, now + 10 * second, 100).count, 5);
}

TEST(Limit, LessThanOneASecond) {
    const Limit limit{.name = "digest", .per_second = 1.0 / 60};
    const LimitState state = started(limit, {}, now, 1);
    EXPECT_EQ(allowance(limit, state, now + 59 * second, 1).count, 0);
    EXPECT_EQ(allowance(limit, state, now + 60 * second, 1).count, 1);
}

TEST(Limit, AClockThatWentBackHoldsUpForABurstAtMost) {
    const Limit limit{.name = "mail", .per_second = 10, .burst = 5};
    const LimitState state = started(limit, {}, now, 5);
    const std::int64_t hour_before = now - 3'600 * second;
    EXPECT_EQ(allowance(limit, state, hour_before, 1).count, 0);
    EXPECT_LE(allowance(limit, state, hour_before, 1).retry_in_us, 100'000);
}

// Whoever asks when, no window of t seconds has more than burst + rate * t starts.
TEST(Limit, TheRateHoldsHoweverItIsAsked) {
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        Random random(seed);
        const Limit limit{.name = "any",
                          .per_second = 0.5 + 50 * random.uniform(),
                          .burst = 1 + static_cast<int>(random.below(20))};
        LimitState state;
        std::int64_t at = now;
        std::int64_t starts = 0;
        for (int i = 0; i < 500; ++i) {
            at += static_cast<std::int64_t>(random.below(200'000));
            const std::int64_t wanted = static_cast<std::int64_t>(random.below(10)) + 1;
            const std::int64_t count = allowance(limit, state, at, wanted).count;
            state = started(limit, state, at, count);
            starts += count;
            const double elapsed = static_cast<double>(at - now) / 1e6;
            ASSERT_LE(static_cast<double>(starts), limit.burst + limit.per_second * elapsed + 1e-3)
                << "seed " << seed;
        }
    }
}

TEST(Limit, WhoAlwaysAsksGetsTheRate) {
    const Limit limit{.name = "any", .per_second = 37, .burst = 3};
    LimitState state;
    std::int64_t starts = 0;
    for (std::int64_t at = now; at < now + 100 * second; at += 1'000) {
        const std::int64_t count = allowance(limit, state, at, 10).count;
        state = started(limit, state, at, count);
        starts += count;
    }
    EXPECT_NEAR(static_cast<double>(starts), 3'700, 4);
}

}  // namespace
}  // namespace loadstone::jobs
