// Limits by table: concurrency, rate, burst, clocks that jump.

#include "loadstone/jobs/limit.h"

#include <gtest/gtest.h>

#include <vector>

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

TEST(Limit, LendsStartsWhereTheBurstIsLarge) {
    struct Case {
        double per_second;
        int burst;
        bool lends;
    };
    for (const Case& c : {Case{100, 63, false},
                          {100, 64, true},
                          {160, 64, true},
                          {161, 64, false},
                          {0, 1'000, false},
                          {1e6, 1'000'000, true}}) {
        const Limit limit{.name = "any", .per_second = c.per_second, .burst = c.burst};
        EXPECT_EQ(lends_starts(limit), c.lends) << c.per_second << ", " << c.burst;
    }
    EXPECT_FALSE(lends_starts({.per_second = 1, .burst = 1'000, .is_in_order = true}));
}

TEST(Limit, WhatTheRateAllowsWhileStartsAreLentIsKeptBackOfTheBurst) {
    const Limit limit{.name = "any", .per_second = 100, .burst = 100};
    EXPECT_EQ(allowance(limit, {}, now, 1'000).count, 90);
    const LimitState state = started(limit, {}, now, 90);
    EXPECT_EQ(allowance(limit, state, now, 1).retry_in_us, 10'000);
}

TEST(Limit, HalfOfTheBurstIsNotLent) {
    const Limit limit{.name = "any", .per_second = 100, .burst = 100};
    struct Case {
        std::int64_t made, wanted, lent;
    };
    for (const Case& c :
         {Case{0, 30, 30}, {0, 45, 45}, {0, 46, 45}, {40, 30, 5}, {45, 30, 0}, {90, 1, 0}}) {
        const LimitState state = started(limit, {}, now, c.made);
        EXPECT_EQ(starts_to_lend(limit, state, now, c.wanted), c.lent) << c.made;
    }
}

TEST(Limit, LendsPlacesUpToHalfOfThem) {
    const Limit limit{.name = "any", .running_max = 100};
    struct Case {
        std::int64_t others, least, wanted;
        std::optional<std::int64_t> lent;
    };
    for (const Case& c : {Case{0, 10, 20, 20},
                          {0, 50, 80, 50},
                          {0, 51, 80, {}},
                          {30, 20, 40, 20},
                          {31, 20, 40, {}},
                          {100, 0, 1, {}},
                          {-1, 50, 50, 50}}) {
        EXPECT_EQ(places_to_lend(limit, c.others, c.least, c.wanted), c.lent)
            << c.others << ", " << c.least;
    }
    EXPECT_TRUE(lends_places(limit, 100));
    EXPECT_FALSE(lends_places(limit, 101));
    EXPECT_FALSE(lends_places(limit, 0));
    EXPECT_FALSE(lends_places({.running_max = 100, .is_in_order = true}, 1));
}

// Processes that are lent starts and use them at any time until these are lost.
struct Borrower {
    std::int64_t starts = 0, until = 0;
};

TEST(Limit, NoWindowSeesMoreWhereStartsAreLent) {
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        Random random(seed);
        const int burst = 64 + static_cast<int>(random.below(200));
        const Limit limit{
            .name = "any", .per_second = 1 + 2.4 * burst * random.uniform(), .burst = burst};
        ASSERT_TRUE(lends_starts(limit));
        LimitState state;
        std::vector<Borrower> processes(1 + random.below(4));
        std::vector<std::pair<std::int64_t, std::int64_t>> made;
        std::int64_t at = now;
        for (int i = 0; i < 600; ++i) {
            at += static_cast<std::int64_t>(random.below(random.below(20) == 0 ? 900'000 : 30'000));
            Borrower& process = processes[random.below(processes.size())];
            const std::int64_t wanted = 1 + static_cast<std::int64_t>(random.below(40));
            if (at < process.until && process.starts >= wanted) {
                process.starts -= wanted;
                made.emplace_back(at, wanted);
                continue;
            }
            const std::int64_t count = allowance(limit, state, at, wanted).count;
            state = started(limit, state, at, count);
            const std::int64_t lent = starts_to_lend(limit, state, at, wanted * 4);
            state = started(limit, state, at, lent);
            process = {lent, at + std::chrono::microseconds(starts_lent_for).count()};
            made.emplace_back(at, count);
        }
        for (std::size_t first = 0; first < made.size(); ++first) {
            std::int64_t starts = 0;
            for (std::size_t last = first; last < made.size(); ++last) {
                starts += made[last].second;
                const double elapsed =
                    static_cast<double>(made[last].first - made[first].first) / 1e6;
                ASSERT_LE(static_cast<double>(starts), burst + limit.per_second * elapsed + 1e-3)
                    << "seed " << seed;
            }
        }
    }
}

TEST(Limit, WhoAlwaysAsksGetsTheRateAlsoWhereStartsAreLentAndLost) {
    const Limit limit{.name = "any", .per_second = 200, .burst = 100};
    LimitState state;
    std::int64_t starts = 0;
    for (std::int64_t at = now; at < now + 100 * second; at += 1'000) {
        const std::int64_t count = allowance(limit, state, at, 10).count;
        state = started(limit, state, at, count);
        starts += count;
        state = started(limit, state, at, starts_to_lend(limit, state, at, 40));  // and all lost
    }
    EXPECT_NEAR(static_cast<double>(starts), 20'000, 200);
}

}  // namespace
}  // namespace loadstone::jobs
