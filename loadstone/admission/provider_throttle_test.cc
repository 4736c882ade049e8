#include "loadstone/admission/provider_throttle.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "loadstone/admission/provider_throttles.h"

namespace loadstone::admission {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;
using Clock = ProviderThrottle::Clock;

const Clock::time_point start{std::chrono::hours(1)};

ProviderThrottleOptions options() {
    ProviderThrottleOptions made;
    made.rate_min = 1;
    made.rate_max = 16;
    made.increase = 2;
    made.hold_default = seconds(5);
    made.hold_max = seconds(60);
    made.failures_max = 3;
    made.open_min = seconds(1);
    made.open_max = seconds(8);
    made.probe_max = seconds(30);
    return made;
}

// Takes whatever is allowed from `now` until `end`; each call succeeds at once.
int take_all(ProviderThrottle& throttle, Clock::time_point now, Clock::time_point end) {
    int taken = 0;
    while (now < end) {
        const ProviderDecision decision = throttle.acquire(now);
        if (decision.allowed()) {
            ++taken;
            throttle.on_success(now);
        } else {
            EXPECT_GT(decision.wait, nanoseconds(0));
            now += decision.wait;
        }
    }
    return taken;
}

TEST(ProviderThrottle, SpacesCallsAtItsRate) {
    ProviderThrottle throttle(options());
    EXPECT_TRUE(throttle.acquire(start).allowed());
    const ProviderDecision second = throttle.acquire(start);
    EXPECT_EQ(second.by, ThrottledBy::rate);
    EXPECT_EQ(second.wait, nanoseconds(62'500'000));
    EXPECT_FALSE(throttle.acquire(start + second.wait - nanoseconds(1)).allowed());
    EXPECT_TRUE(throttle.acquire(start + second.wait).allowed());
    EXPECT_EQ(take_all(throttle, start + seconds(1), start + seconds(11)), 160);
}

TEST(ProviderThrottle, LetsABurstGoAfterAPause) {
    ProviderThrottleOptions with_burst = options();
    with_burst.burst = 4;
    ProviderThrottle throttle(with_burst);
    for (int i = 0; i < 4; ++i) EXPECT_TRUE(throttle.acquire(start).allowed());
    EXPECT_FALSE(throttle.acquire(start).allowed());
}

TEST(ProviderThrottle, HalvesOncePerHoldAndHoldsForTheTimeThatTheProviderNamed) {
    ProviderThrottle throttle(options());
    throttle.on_throttled(start, seconds(10));
    throttle.on_throttled(start + milliseconds(1), seconds(10));  // was under way already
    EXPECT_EQ(throttle.rate(), 8);
    const ProviderDecision held = throttle.acquire(start + seconds(1));
    EXPECT_EQ(held.by, ThrottledBy::hold);
    EXPECT_EQ(held.wait, seconds(9) + milliseconds(1));
    EXPECT_TRUE(throttle.acquire(start + seconds(1) + held.wait).allowed());
    EXPECT_FALSE(throttle.acquire(start + seconds(1) + held.wait).allowed());
}

TEST(ProviderThrottle, BoundsItsHoldsAndItsRate) {
    ProviderThrottle throttle(options());
    throttle.on_throttled(start, std::nullopt);
    EXPECT_EQ(throttle.acquire(start).wait, seconds(5));
    throttle.on_throttled(start + seconds(5), std::chrono::hours(24));
    EXPECT_EQ(throttle.acquire(start + seconds(5)).wait, seconds(60));
    auto now = start + seconds(65);
    for (int i = 0; i < 10; ++i, now += seconds(5)) throttle.on_throttled(now, std::nullopt);
    EXPECT_EQ(throttle.rate(), 1);
    throttle.on_throttled(now, seconds(-3));
    EXPECT_TRUE(throttle.acquire(now).allowed());
}

TEST(ProviderThrottle, RaisesTheRateByTheIncreasePerSecondOfFullUse) {
    ProviderThrottle throttle(options());
    throttle.on_throttled(start, seconds(0));
    throttle.on_throttled(start, seconds(0));
    ASSERT_EQ(throttle.rate(), 4);
    take_all(throttle, start, start + seconds(3));
    EXPECT_NEAR(throttle.rate(), 10, 1);
    take_all(throttle, start + seconds(3), start + seconds(30));
    EXPECT_EQ(throttle.rate(), 16);
}

TEST(ProviderThrottle, LearnsNothingFromARateThatNobodyUsesUp) {
    ProviderThrottle throttle(options());
    throttle.on_throttled(start, seconds(0));
    for (int i = 0; i < 100; ++i) {
        const auto now = start + seconds(1 + i);
        ASSERT_TRUE(throttle.acquire(now).allowed());
        throttle.on_success(now);
    }
    EXPECT_EQ(throttle.rate(), 8);
}

TEST(ProviderThrottle, SettlesNearWhatTheProviderTakes) {
    // A provider that takes 6 a second and refuses what is above it.
    ProviderThrottle throttle(options());
    auto now = start;
    auto provider_full_at = start;
    int sent = 0, refused = 0;
    while (now < start + seconds(300)) {
        const ProviderDecision decision = throttle.acquire(now);
        if (!decision.allowed()) {
            now += decision.wait;
            continue;
        }
        provider_full_at = std::max(provider_full_at, now) + nanoseconds(1'000'000'000 / 6);
        if (provider_full_at - now > seconds(1)) {
            ++refused;
            provider_full_at = now;
            throttle.on_throttled(now, milliseconds(500));
        } else {
            ++sent;
            throttle.on_success(now);
        }
    }
    EXPECT_GT(sent, 300 * 6 / 2);
    EXPECT_LT(refused, sent / 10);
}

TEST(ProviderThrottle, OpensAfterFailuresInARow) {
    Random random(1);
    ProviderThrottle throttle(options());
    throttle.on_failure(start, random);
    throttle.on_failure(start, random);
    throttle.on_success(start);
    throttle.on_failure(start, random);
    throttle.on_failure(start, random);
    EXPECT_EQ(throttle.state(), BreakerState::closed);
    throttle.on_failure(start, random);
    EXPECT_EQ(throttle.state(), BreakerState::open);
    const ProviderDecision refused = throttle.acquire(start);
    EXPECT_EQ(refused.by, ThrottledBy::breaker);
    EXPECT_GE(refused.wait, milliseconds(500));
    EXPECT_LE(refused.wait, seconds(1));
}

struct OpenThrottle : ::testing::Test {
    Random random{7};
    ProviderThrottle throttle{options()};
    Clock::time_point now = start;

    void SetUp() override {
        for (int i = 0; i < 3; ++i) throttle.on_failure(now, random);
    }
    // Until the breaker lets the probe through.
    nanoseconds wait_for_probe() {
        const nanoseconds wait = throttle.acquire(now).wait;
        now += wait;
        EXPECT_TRUE(throttle.acquire(now).allowed());
        EXPECT_EQ(throttle.state(), BreakerState::half_open);
        return wait;
    }
};

TEST_F(OpenThrottle, LetsOneProbeThrough) {
    wait_for_probe();
    const ProviderDecision second = throttle.acquire(now);
    EXPECT_EQ(second.by, ThrottledBy::breaker);
    EXPECT_EQ(second.wait, seconds(1));
}

TEST_F(OpenThrottle, ClosesWhenTheProbeSucceeds) {
    wait_for_probe();
    throttle.on_success(now);
    EXPECT_EQ(throttle.state(), BreakerState::closed);
    EXPECT_TRUE(throttle.acquire(now + seconds(1)).allowed());
    throttle.on_failure(now, random);
    EXPECT_EQ(throttle.state(), BreakerState::closed) << "it counts anew";
}

TEST_F(OpenThrottle, ClosesWhenTheProbeIsThrottledBecauseTheProviderIsThere) {
    wait_for_probe();
    throttle.on_throttled(now, seconds(2));
    EXPECT_EQ(throttle.state(), BreakerState::closed);
    EXPECT_EQ(throttle.acquire(now).by, ThrottledBy::hold);
}

TEST_F(OpenThrottle, StaysOpenTwiceAsLongEachTimeUpToItsMaximum) {
    for (const int whole : {1, 2, 4, 8, 8, 8}) {
        const nanoseconds wait = wait_for_probe();
        EXPECT_GE(wait, seconds(whole) / 2);
        EXPECT_LE(wait, seconds(whole));
        throttle.on_failure(now, random);
        EXPECT_EQ(throttle.state(), BreakerState::open);
    }
}

TEST_F(OpenThrottle, IsNotProlongedByFailuresThatWereUnderWay) {
    const nanoseconds wait = throttle.acquire(now).wait;
    throttle.on_failure(now, random);
    EXPECT_EQ(throttle.acquire(now).wait, wait);
}

TEST_F(OpenThrottle, ProbesAgainWhenAProbeIsLost) {
    wait_for_probe();
    EXPECT_FALSE(throttle.acquire(now + seconds(30) - nanoseconds(1)).allowed());
    EXPECT_TRUE(throttle.acquire(now + seconds(30)).allowed());
    EXPECT_FALSE(throttle.acquire(now + seconds(31)).allowed());
}

TEST(ProviderThrottleJitter, DiffersBetweenSeeds) {
    std::vector<nanoseconds> waits;
    for (const std::uint64_t seed : {1U, 2U, 3U}) {
        Random random(seed);
        ProviderThrottle throttle(options());
        for (int i = 0; i < 3; ++i) throttle.on_failure(start, random);
        waits.push_back(throttle.acquire(start).wait);
    }
    EXPECT_NE(waits[0], waits[1]);
    EXPECT_NE(waits[1], waits[2]);
}

struct ProviderThrottlesTest : ::testing::Test {
    telemetry::Registry registry;
    ProviderThrottlesOptions made{.name = "mail", .each = options(), .providers_max = 3, .seed = 1};

    bool shown(const std::string& line) {
        return registry.prometheus().find(line) != std::string::npos;
    }
    std::uint64_t counted(const char* name) {
        return registry.counter(name, telemetry::metric_label("throttle", "mail"), "").value();
    }
};

TEST_F(ProviderThrottlesTest, KeepsProvidersApartAndShowsThem) {
    ProviderThrottles throttles(made, registry);
    throttles.acquire("slow.example", start);
    throttles.on_throttled("slow.example", start, seconds(10));
    EXPECT_EQ(throttles.acquire("slow.example", start).by, ThrottledBy::hold);
    EXPECT_TRUE(throttles.acquire("fast.example", start).allowed());
    EXPECT_TRUE(shown("loadstone_provider_rate{throttle=\"mail\",provider=\"slow.example\"} 8"));
    for (int i = 0; i < 3; ++i) throttles.on_failure("fast.example", start);
    EXPECT_TRUE(shown("loadstone_provider_breaker{throttle=\"mail\",provider=\"fast.example\"} 1"));
    EXPECT_EQ(counted("loadstone_provider_throttled_total"), 1U);
    EXPECT_EQ(counted("loadstone_provider_failed_total"), 3U);
    EXPECT_EQ(counted("loadstone_provider_breaker_opened_total"), 1U);
}

TEST_F(ProviderThrottlesTest, ForgetsTheProviderThatWasUsedLongestAgo) {
    ProviderThrottles throttles(made, registry);
    for (const char* name : {"a", "b", "c", "a", "d"}) throttles.acquire(name, start);
    EXPECT_EQ(throttles.providers(), 3U);
    EXPECT_FALSE(shown("provider=\"b\""));
    EXPECT_TRUE(shown("provider=\"a\""));
    EXPECT_TRUE(shown("provider=\"d\""));
    throttles.on_success("b", start);  // dropped
    EXPECT_EQ(throttles.providers(), 3U);
    EXPECT_EQ(counted("loadstone_provider_forgotten_total"), 1U);
}

TEST_F(ProviderThrottlesTest, MayBeUsedAndReadFromManyThreads) {
    {
        ProviderThrottles throttles(made, registry);
        std::vector<std::thread> threads;
        for (int t = 0; t < 4; ++t) {
            threads.emplace_back([&, t] {
                for (int i = 0; i < 500; ++i) {
                    const std::string name = std::to_string((t + i) % 6);
                    const auto now = start + milliseconds(i);
                    throttles.acquire(name, now);
                    if (i % 3 == 0) throttles.on_failure(name, now);
                    if (i % 3 == 1) throttles.on_success(name, now);
                    if (i % 50 == 2) registry.prometheus();
                }
            });
        }
        for (std::thread& thread : threads) thread.join();
        EXPECT_EQ(throttles.providers(), 3U);
    }
    EXPECT_FALSE(shown("loadstone_provider_rate{"));
}

}  // namespace
}  // namespace loadstone::admission
