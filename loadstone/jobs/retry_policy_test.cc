#include "loadstone/jobs/retry_policy.h"

#include <gtest/gtest.h>

namespace loadstone::jobs {
namespace {

using std::chrono::milliseconds;

Decision after(Errc code, int attempt, Policy policy = {}) {
    Random random(1);
    return decide(policy, Error(code, "it failed"), attempt, random);
}

TEST(RetryPolicy, BuriesWhatCannotGetBetter) {
    for (const Errc code : {Errc::invalid_argument, Errc::permission_denied, Errc::data_loss}) {
        EXPECT_EQ(after(code, 1).verdict, Verdict::bury) << to_string(code);
    }
}

TEST(RetryPolicy, SnoozesWhatTheWorldWasNotReadyFor) {
    for (const Errc code : {Errc::unavailable, Errc::cancelled}) {
        EXPECT_EQ(after(code, 1).verdict, Verdict::snooze) << to_string(code);
        EXPECT_EQ(after(code, 1'000).verdict, Verdict::snooze) << to_string(code);
    }
}

TEST(RetryPolicy, PutsOffByTheLeastBackoffWhereNothingElseIsAskedFor) {
    Policy policy;
    policy.backoff_min = milliseconds(2'000);
    Random random(7);
    for (const int attempt : {1, 2, 1'000}) {
        for (int i = 0; i < 200; ++i) {
            const auto delay = decide(policy, Error(Errc::unavailable, "x"), attempt, random).delay;
            EXPECT_GE(delay, milliseconds(2'000));
            EXPECT_LE(delay, milliseconds(3'000)) << "and no longer: it begins soon after it can";
        }
    }
    EXPECT_GE(after(Errc::cancelled, 1).delay, milliseconds(1'000));
}

TEST(RetryPolicy, RetriesTheRest) {
    for (const Errc code :
         {Errc::unauthenticated, Errc::not_found, Errc::already_exists, Errc::conflict,
          Errc::resource_exhausted, Errc::deadline_exceeded, Errc::internal}) {
        EXPECT_EQ(after(code, 1).verdict, Verdict::retry) << to_string(code);
    }
}

TEST(RetryPolicy, AKindSaysWhichErrorsAreNotWorthATry) {
    Policy policy;
    policy.buries.insert({Errc::not_found, Errc::unavailable});
    policy.buries.erase(Errc::permission_denied);
    EXPECT_EQ(after(Errc::not_found, 1, policy).verdict, Verdict::bury);
    EXPECT_EQ(after(Errc::unavailable, 1, policy).verdict, Verdict::bury);
    EXPECT_EQ(after(Errc::permission_denied, 1, policy).verdict, Verdict::retry);
    EXPECT_EQ(after(Errc::data_loss, 1, policy).verdict, Verdict::bury);
    EXPECT_EQ(after(Errc::internal, 1, policy).verdict, Verdict::retry);
}

TEST(RetryPolicy, AKindSaysHowFarItsWaitsAreOff) {
    Policy policy;
    policy.backoff_min = milliseconds(10'000);
    for (const double jitter : {0.0, 0.1, 1.0}) {
        policy.jitter = jitter;
        Random random(7);
        milliseconds least(1'000'000), most(0);
        for (int i = 0; i < 1'000; ++i) {
            const auto wait = decide(policy, Error(Errc::internal, "x"), 1, random).delay;
            least = std::min(least, wait);
            most = std::max(most, wait);
            const auto snoozed = decide(policy, Error(Errc::unavailable, "x"), 1, random).delay;
            EXPECT_GE(snoozed, milliseconds(10'000));
            EXPECT_LE(static_cast<double>(snoozed.count()), 10'000 * (1 + 2 * jitter));
        }
        EXPECT_NEAR(static_cast<double>(least.count()), 10'000 * (1 - jitter), 200);
        EXPECT_NEAR(static_cast<double>(most.count()), 10'000 * (1 + jitter), 200);
    }
}

TEST(RetryPolicy, BuriesAtTheLastAttempt) {
    Policy policy;
    policy.attempts_max = 3;
    EXPECT_EQ(after(Errc::internal, 2, policy).verdict, Verdict::retry);
    EXPECT_EQ(after(Errc::internal, 3, policy).verdict, Verdict::bury);
    EXPECT_EQ(after(Errc::internal, 4, policy).verdict, Verdict::bury);
}

TEST(RetryPolicy, DoublesTheWaitWithinItsJitterAndBound) {
    Policy policy;
    policy.backoff_min = milliseconds(1'000);
    policy.backoff_max = milliseconds(10'000);
    policy.attempts_max = 1'000;
    Random random(7);
    const milliseconds expected[] = {milliseconds(1'000),  milliseconds(2'000),
                                     milliseconds(4'000),  milliseconds(8'000),
                                     milliseconds(10'000), milliseconds(10'000)};
    for (int attempt = 1; attempt <= 6; ++attempt) {
        for (int i = 0; i < 200; ++i) {
            const auto delay = decide(policy, Error(Errc::internal, "x"), attempt, random).delay;
            EXPECT_GE(delay, expected[attempt - 1] * 3 / 4);
            EXPECT_LE(delay, expected[attempt - 1] * 5 / 4);
        }
    }
    EXPECT_LE(decide(policy, Error(Errc::internal, "x"), 900, random).delay, milliseconds(12'500));
}

TEST(RetryPolicy, WaitsAtLeastAsLongAsItIsAskedTo) {
    Random random(7);
    const Error throttled = Error(Errc::unavailable, "x").with_retry_after(milliseconds(5'000));
    for (int i = 0; i < 200; ++i) {
        const auto delay = decide({}, throttled, 1, random).delay;
        EXPECT_GE(delay, milliseconds(5'000));
        EXPECT_LE(delay, milliseconds(7'500));
    }
    const Error limited =
        Error(Errc::resource_exhausted, "x").with_retry_after(milliseconds(60'000));
    EXPECT_GE(decide({}, limited, 1, random).delay, milliseconds(60'000));
}

}  // namespace
}  // namespace loadstone::jobs
