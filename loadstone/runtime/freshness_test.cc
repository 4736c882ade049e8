#include "loadstone/runtime/freshness.h"

#include <gtest/gtest.h>

namespace loadstone::runtime {

TEST(Position, GoesThroughTextUnchanged) {
    for (const Position position : {Position{}, Position{1, 0x16B3748}, Position::unknown()})
        EXPECT_EQ(position_from(to_text(position)), position) << to_text(position);
    EXPECT_EQ(to_text({1, 0x16B3748}), "1-16B3748");
    EXPECT_LE(to_text(Position::unknown()).size(), 25);
}

TEST(Position, IsNotReadFromAnythingElse) {
    for (const std::string_view text : {"", "-", "1", "1-", "-1", "1-2-3", "g-1", "1-g", " 1-2",
                                        "1-2 ", "1-10000000000000000", "100000000-1", "+1-2"})
        EXPECT_FALSE(position_from(text)) << text;
}

TEST(Position, OfALaterHistoryIsLater) {
    EXPECT_LT((Position{1, 500}), (Position{2, 400}));
    EXPECT_LT((Position{2, 400}), (Position{2, 401}));
    EXPECT_LT((Position{9, 900}), Position::unknown());
}

TEST(Reading, GrowsWithWhatIsSeenAndTellsOnlyThen) {
    Reading reading;
    reading.begin_at({1, 10});
    reading.saw({1, 9});
    reading.saw({1, 10});
    EXPECT_FALSE(reading.has_moved());
    reading.saw({1, 11});
    EXPECT_TRUE(reading.has_moved());
    EXPECT_EQ(reading.position(), (Position{1, 11}));
}

TEST(Reading, TellsAgainWhatIsUnknown) {
    Reading reading;
    reading.begin_at(Position::unknown());
    EXPECT_TRUE(reading.has_moved());
    reading.replace({1, 10});
    reading.begin_at({1, 10});
    EXPECT_FALSE(reading.has_moved());
    reading.replace({1, 11});
    reading.replace({1, 10});
    EXPECT_FALSE(reading.has_moved()) << "it is where it began";
}

TEST(Reading, TellsWhetherItsPositionWasReplaced) {
    Reading reading;
    reading.begin_at({1, 10});
    reading.saw({1, 11});
    EXPECT_EQ(reading.replacements(), 0U);
    reading.replace({1, 12});
    EXPECT_EQ(reading.replacements(), 1U);
}

TEST(Reading, RemembersTheOldestStaleAnswer) {
    Reading reading;
    EXPECT_FALSE(reading.stale());
    reading.gave_stale(std::chrono::seconds(2));
    reading.gave_stale(std::chrono::seconds(1));
    EXPECT_EQ(reading.stale(), std::chrono::nanoseconds(std::chrono::seconds(2)));
    EXPECT_FALSE(reading.is_behind());
    reading.gave_behind(std::chrono::seconds(3));
    EXPECT_EQ(reading.stale(), std::chrono::nanoseconds(std::chrono::seconds(3)));
    EXPECT_TRUE(reading.is_behind());
}

}  // namespace loadstone::runtime
