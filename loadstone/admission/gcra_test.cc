#include "loadstone/admission/gcra.h"

#include <gtest/gtest.h>

#include <vector>

namespace loadstone::admission {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

const std::chrono::steady_clock::time_point start{std::chrono::hours(1)};

struct Step {
    milliseconds at;
    bool allowed;
    std::uint32_t remaining;
    milliseconds retry_after;
    milliseconds reset_after;
};

void expect_steps(const GcraRate& rate, const std::vector<Step>& steps) {
    Gcra gcra;
    for (std::size_t i = 0; i < steps.size(); ++i) {
        const Step& step = steps[i];
        const Decision decision = gcra.check(rate, start + step.at);
        EXPECT_EQ(decision.allowed, step.allowed) << "step " << i;
        EXPECT_EQ(decision.remaining, step.remaining) << "step " << i;
        EXPECT_EQ(decision.retry_after, step.retry_after) << "step " << i;
        EXPECT_EQ(decision.reset_after, step.reset_after) << "step " << i;
    }
}

milliseconds ms(int count) { return milliseconds(count); }

TEST(Gcra, AllowsABurstAndThenOnePerInterval) {
    expect_steps(GcraRate{seconds(1), 3}, {
                                              {ms(0), true, 2, ms(0), ms(1000)},
                                              {ms(0), true, 1, ms(0), ms(2000)},
                                              {ms(0), true, 0, ms(1000), ms(3000)},
                                              {ms(0), false, 0, ms(1000), ms(3000)},
                                              {ms(999), false, 0, ms(1), ms(2001)},
                                              {ms(1000), true, 0, ms(1000), ms(3000)},
                                              {ms(1001), false, 0, ms(999), ms(2999)},
                                              {ms(3500), true, 1, ms(0), ms(1500)},
                                          });
}

TEST(Gcra, SpacesActionsEvenlyWithABurstOfOne) {
    expect_steps(GcraRate{ms(100), 1}, {
                                           {ms(0), true, 0, ms(100), ms(100)},
                                           {ms(99), false, 0, ms(1), ms(1)},
                                           {ms(100), true, 0, ms(100), ms(100)},
                                           {ms(250), true, 0, ms(100), ms(100)},
                                       });
}

TEST(Gcra, DoesNotSaveUpMoreThanTheBurst) {
    expect_steps(GcraRate{seconds(1), 2}, {
                                              {ms(1'000'000), true, 1, ms(0), ms(1000)},
                                              {ms(1'000'000), true, 0, ms(1000), ms(2000)},
                                              {ms(1'000'000), false, 0, ms(1000), ms(2000)},
                                          });
}

TEST(Gcra, ChargesNothingForWhatItDenies) {
    const GcraRate rate{seconds(1), 1};
    Gcra gcra;
    EXPECT_TRUE(gcra.check(rate, start).allowed);
    for (int i = 0; i < 1000; ++i) EXPECT_FALSE(gcra.check(rate, start).allowed);
    EXPECT_TRUE(gcra.check(rate, start + seconds(1)).allowed);
}

TEST(Gcra, BearsAClockThatIsReadOutOfOrder) {
    const GcraRate rate{seconds(1), 2};
    Gcra gcra;
    EXPECT_TRUE(gcra.check(rate, start + ms(5)).allowed);
    const Decision decision = gcra.check(rate, start);
    EXPECT_FALSE(decision.allowed);
    EXPECT_EQ(decision.retry_after, ms(5));
}

TEST(GcraRate, IsRoundedSoThatTheLimitIsNeverExceeded) {
    EXPECT_EQ(GcraRate::per(3, nanoseconds(10), 1).interval, nanoseconds(4));
    EXPECT_EQ(GcraRate::per(5, nanoseconds(10), 1).interval, nanoseconds(2));
    EXPECT_EQ(GcraRate::per(7, seconds(60), 1).interval, nanoseconds(8'571'428'572));
}

}  // namespace
}  // namespace loadstone::admission
