#include "loadstone/analytics/internal/store_version.h"

#include <gtest/gtest.h>

namespace loadstone::analytics::internal {
namespace {

StoreState at(std::int64_t seq, std::int64_t as_of = 1) {
    StoreState state;
    state.store = "one";
    state.position.seq = seq;
    state.as_of = as_of;
    return state;
}

TEST(KnownVersion, IsNotKnownBeforeTheStoreHasSpoken) {
    KnownVersion known;
    EXPECT_FALSE(known.now());
    known.saw(7, at(0), false);
    EXPECT_TRUE(known.now());
    known.forget();
    EXPECT_FALSE(known.now());
}

TEST(KnownVersion, IsTheSameUntilSomethingChanges) {
    KnownVersion known;
    known.saw(7, at(1, 10), false);
    const auto first = known.now();
    known.saw(7, at(1, 20), false);
    EXPECT_TRUE(known.now()->is_same(*first));
    EXPECT_EQ(known.now()->as_of, 20);
    known.begin_change();
    EXPECT_FALSE(known.now()) << "it may have changed by now";
    known.saw(7, at(1, 20), true);  // a range: the position stays
    ASSERT_TRUE(known.now());
    EXPECT_FALSE(known.now()->is_same(*first));
}

TEST(KnownVersion, IsAnotherInAnotherProcessOrStore) {
    KnownVersion known;
    known.saw(7, at(1), false);
    const auto first = known.now();
    known.saw(8, at(1), false);
    const auto second = known.now();
    EXPECT_FALSE(second->is_same(*first));
    StoreState other = at(1, 0);
    other.store = "two";
    known.saw(8, other, false);
    EXPECT_FALSE(known.now()->is_same(*second));
    EXPECT_EQ(known.now()->as_of, 0) << "of the other one it says nothing";
}

TEST(KnownVersion, IsInDoubtAfterAChangeThatWasNotHeardToEnd) {
    KnownVersion known;
    known.saw(7, at(1), false);
    known.begin_change();  // and its answer was lost
    known.saw(7, at(1), false);
    EXPECT_FALSE(known.now()) << "it may still come";
    known.begin_change();
    known.saw(7, at(1), true);
    EXPECT_FALSE(known.now()) << "another one's end says nothing of it";
    known.begin_change();
    known.saw(7, at(2), true);
    EXPECT_TRUE(known.now()) << "from here on it is refused";
    known.begin_change();
    known.saw(8, at(2), false);
    EXPECT_TRUE(known.now()) << "it died with its process";
}

}  // namespace
}  // namespace loadstone::analytics::internal
