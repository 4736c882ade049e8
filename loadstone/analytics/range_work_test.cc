#include "loadstone/analytics/internal/range_work.h"

#include <gtest/gtest.h>

#include "loadstone/analytics/internal/day_sums.h"
#include "loadstone/analytics/internal/row_bytes.h"
#include "loadstone/base/describe.h"
#include "loadstone/base/error.h"

namespace loadstone::analytics::internal {

namespace {

constexpr std::int64_t day_us = 86'400'000'000;

struct Sale {
    std::int64_t shop = 0;
    Timestamp at;
    std::optional<std::int64_t> cents;
};
BOOST_DESCRIBE_STRUCT(Sale, (), (shop, at, cents))

DaySums sums_of(const std::vector<Sale>& sales) {
    const Schema schema = schema_of("sales", type_info<Sale>());
    DaySums sums(schema.columns);
    for (const Sale& sale : sales) sums.add(row_bytes(type_info<Sale>(), &sale), schema.columns);
    return sums;
}

}  // namespace

TEST(DaySums, CountByTheFirstTimeInAnyOrder) {
    const Sale before{1, {-1}, 5}, first{1, {0}, 7}, last{2, {day_us - 1}, std::nullopt},
        next{2, {day_us}, 7};
    const DaySums sums = sums_of({before, first, last, next});
    ASSERT_EQ(sums.days().size(), 3U);
    EXPECT_EQ(sums.days().at(-1).facts, 1);
    EXPECT_EQ(sums.days().at(0).facts, 2);
    EXPECT_EQ(sums.days().at(1).facts, 1);
    const DaySums again = sums_of({next, last, first, before});
    EXPECT_EQ(again.days().at(0).sum, sums.days().at(0).sum);
}

TEST(DaySums, DifferInAnyMember) {
    const Sale sale{1, {5}, 7};
    const auto sum = [](const Sale& of) { return sums_of({of}).days().at(0).sum; };
    EXPECT_EQ(sum(sale), sum(sale));
    for (const Sale& other : {Sale{2, {5}, 7}, Sale{1, {6}, 7}, Sale{1, {5}, 8}, Sale{1, {5}, {}}})
        EXPECT_NE(sum(other), sum(sale));
    // Twice the same is not nothing.
    EXPECT_NE(sums_of({sale, sale}).days().at(0).sum, 0);
}

// A store says of each column that it may be null.
TEST(DaySums, AreTheSameWhetherOrNotAColumnMayBeNull) {
    const Sale sale{1, {5}, 7};
    const Schema schema = schema_of("sales", type_info<Sale>());
    auto nullable = schema.columns;
    for (Column& column : nullable) column.is_nullable = true;
    std::string row;
    WireWriter to(row);
    for (const std::int64_t value : {1, 5, 7}) {
        to.byte(1);
        to.integer(value);
    }
    DaySums sums(schema.columns);
    sums.add(row, nullable);
    EXPECT_EQ(sums.days().at(0).sum, sums_of({sale}).days().at(0).sum);
}

TEST(RangeWork, WidthFollowsWhatARangeHeld) {
    EXPECT_EQ(next_width(16, 0, 100), 32);
    EXPECT_EQ(next_width(16, 49, 100), 32);
    EXPECT_EQ(next_width(16, 50, 100), 16);
    EXPECT_EQ(next_width(16, 200, 100), 16);
    EXPECT_EQ(next_width(16, 201, 100), 8);
    EXPECT_EQ(next_width(1, 1'000'000, 100), 1);
    EXPECT_EQ(next_width(1 << 20, 0, 100), 1 << 20);
}

TEST(FactTable, ABackFillNeedsAKeyThatIsAnInteger) {
    std::vector<FactTable> all;
    Facts facts("shops", all);
    FactTable& table = facts.table<Sale>("sales");
    EXPECT_FALSE(table.back_fill.is_there());
    for (const char* wrong : {"at", "cents", "nothing"})
        EXPECT_THROW(table.back_filled_by<Sale>(wrong, nullptr, nullptr), Error) << wrong;
    table.back_filled_by<Sale>("shop", nullptr, nullptr);
    EXPECT_EQ(table.back_fill.key, "shop");
}

}  // namespace loadstone::analytics::internal
