#include "loadstone/store/moments.h"

#include <gtest/gtest.h>

namespace loadstone::store {

namespace {

using runtime::Position;
using runtime::Reading;

Reading at(Position position) {
    Reading reading;
    reading.begin_at(position);
    return reading;
}

}  // namespace

TEST(Moments, TellNothingUntilTheyAreFollowed) {
    Moments moments;
    EXPECT_EQ(moments.seen(), Position{});
    Reading reading;
    moments.saw(reading);
    EXPECT_FALSE(reading.has_moved());
    EXPECT_FALSE(moments.is_shown({}, {})) << "nothing was asked yet";
    moments.follow();
    EXPECT_TRUE(moments.seen().is_moment());
    EXPECT_TRUE(moments.is_shown({}, moments.begin()));
}

TEST(Moments, AreShownByQuestionsThatBeginLater) {
    Moments moments;
    moments.follow();
    const Position before = moments.begin();
    const Position seen = moments.seen();
    EXPECT_FALSE(moments.is_shown(seen, before));
    const Position after = moments.begin();
    EXPECT_TRUE(moments.is_shown(seen, after));
    EXPECT_TRUE(moments.is_shown(before, after));
    EXPECT_FALSE(moments.is_shown(moments.seen(), after));
}

TEST(Moments, ShowWhatWasWrittenHereToWhoCarriesNothing) {
    Moments moments;
    moments.follow();
    const Position before = moments.begin();
    EXPECT_TRUE(moments.is_shown({}, before));
    moments.wrote();
    EXPECT_FALSE(moments.is_shown({}, before));
    EXPECT_FALSE(moments.is_shown(before, before));
    EXPECT_TRUE(moments.is_shown({}, moments.begin()));
}

TEST(Moments, OfAnotherProcessSayNothing) {
    Moments moments, others;
    for (Moments* each : {&moments, &others}) each->follow();
    const Position theirs = others.begin();
    Position asked = moments.begin();
    for (int i = 0; i < 5; ++i) asked = moments.begin();
    const std::initializer_list<Position> foreign{
        theirs,
        others.seen(),
        Position::unknown(),
        {1, 0x16B'3748},
        // Made up: of this process, but of no question that there was.
        {asked.history, asked.at + 2},
        {asked.history, 1},
        {asked.history, 0}};
    for (const Position& each : foreign) {
        EXPECT_FALSE(moments.is_shown(each, asked));
        // What is seen here does not make it known.
        Reading reading = at(each);
        moments.saw(reading);
        EXPECT_EQ(reading.position(), Position::unknown());
    }
}

TEST(Moments, GrowWithWhatIsSeen) {
    Moments moments;
    moments.follow();
    Reading reading;
    moments.saw(reading);
    EXPECT_TRUE(reading.has_moved());
    const Position first = reading.position();
    EXPECT_EQ(first, moments.seen());
    Reading same = at(first);
    moments.saw(same);
    EXPECT_FALSE(same.has_moved()) << "nothing was asked meanwhile: it is told nothing new";
    moments.begin();
    moments.saw(same);
    EXPECT_GT(same.position(), first);
    moments.saw(same, first);
    EXPECT_EQ(same.position(), moments.seen());
}

TEST(Moments, AreMarkedWhenAReadEnds) {
    Moments moments;
    moments.follow();
    Reading reading;
    {
        const MomentOf seen(&moments, reading);
        moments.begin();
        EXPECT_EQ(reading.position(), Position{});
    }
    EXPECT_EQ(reading.position(), moments.seen());
    {
        const MomentOf nowhere(nullptr, reading);
    }
}

}  // namespace loadstone::store
