#include "loadstone/store/postgres/internal/sent_items.h"

#include <gtest/gtest.h>

namespace loadstone::store::postgres {

TEST(SentItems, AreFoundByNumberUntilTheyAreAnswered) {
    SentItems items;
    // Beyond the point at which the vector is compacted.
    for (std::uint64_t number = 0; number < 5'000; ++number) {
        EXPECT_EQ(items.next_number(), number);
        SentItem item;
        item.kind = number % 2 == 0 ? SentItem::Kind::query : SentItem::Kind::sync;
        items.push(std::move(item));
        if (number < 10) continue;
        EXPECT_EQ(items.find(number - 11), nullptr);
        ASSERT_NE(items.find(number), nullptr);
        EXPECT_EQ(items.find(number)->kind,
                  number % 2 == 0 ? SentItem::Kind::query : SentItem::Kind::sync);
        EXPECT_EQ(items.find(number - 10), &items.front());
        items.pop();
    }
    EXPECT_EQ(items.size(), 10U);
    EXPECT_EQ(items.find(items.next_number()), nullptr);
}

}  // namespace loadstone::store::postgres
