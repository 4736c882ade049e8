#include "loadstone/store/internal/position_trail.h"

#include <gtest/gtest.h>

namespace loadstone::store::internal {

namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

PositionTrail::Clock::time_point at_ms(int ms) {
    return PositionTrail::Clock::time_point(milliseconds(ms));
}

}  // namespace

TEST(PositionTrail, TellsSinceWhenAPositionIsNotAll) {
    PositionTrail trail;
    trail.note(at_ms(0), 10);
    trail.note(at_ms(50), 20);
    trail.note(at_ms(100), 20);
    trail.note(at_ms(150), 30);
    EXPECT_EQ(trail.age(9, at_ms(200)), std::nullopt);
    EXPECT_EQ(trail.age(10, at_ms(200)), nanoseconds(milliseconds(200)));
    EXPECT_EQ(trail.age(19, at_ms(200)), nanoseconds(milliseconds(200)));
    EXPECT_EQ(trail.age(20, at_ms(200)), nanoseconds(milliseconds(100)));
    EXPECT_EQ(trail.age(30, at_ms(200)), nanoseconds(milliseconds(50)));
    EXPECT_EQ(trail.lag(30, at_ms(200)), nanoseconds(0));
    EXPECT_EQ(trail.lag(29, at_ms(200)), nanoseconds(milliseconds(100)));
}

TEST(PositionTrail, IsBoundedAndTellsWhatIsLongAgoLessExactly) {
    PositionTrail trail;
    constexpr int steps = 100'000;
    for (int i = 0; i <= steps; ++i) trail.note(at_ms(50 * i), static_cast<std::uint64_t>(i));
    EXPECT_LE(trail.size(), PositionTrail::steps_max);
    for (int ago = 0; ago <= steps; ago += 1 + ago / 64) {
        const auto age = trail.age(static_cast<std::uint64_t>(steps - ago), at_ms(50 * steps));
        ASSERT_TRUE(age) << ago;
        EXPECT_GE(*age, milliseconds(50 * ago)) << ago;
        EXPECT_LE(*age, milliseconds(50 * ago) * 9 / 8 + milliseconds(50)) << ago;
    }
}

TEST(PositionTrail, BeginsAnewWhereThePrimaryIsAnotherOne) {
    PositionTrail trail;
    trail.note(at_ms(0), 100);
    trail.note(at_ms(50), 90);
    EXPECT_EQ(trail.age(95, at_ms(60)), nanoseconds(milliseconds(10)));
    EXPECT_EQ(trail.age(89, at_ms(60)), std::nullopt);
}

TEST(PositionTrail, AnEmptyOneTellsNothing) {
    const PositionTrail trail;
    EXPECT_EQ(trail.age(1, at_ms(0)), std::nullopt);
    EXPECT_EQ(trail.lag(1, at_ms(0)), nanoseconds(0));
}

}  // namespace loadstone::store::internal
