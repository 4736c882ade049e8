#include <gtest/gtest.h>

#include <limits>
#include <optional>

#include "loadstone/analytics/columns.h"
#include "loadstone/analytics/internal/horizon.h"
#include "loadstone/analytics/internal/row_bytes.h"
#include "loadstone/base/describe.h"
#include "loadstone/base/error.h"

namespace loadstone::analytics::internal {

namespace {

struct Everything {
    bool flag = false;
    std::int64_t number = 0;
    double real = 0;
    std::string text;
    Timestamp at;
    std::optional<std::string> maybe;
};
BOOST_DESCRIBE_STRUCT(Everything, (), (flag, number, real, text, at, maybe))

struct WithList {
    std::vector<std::int64_t> numbers;
};
BOOST_DESCRIBE_STRUCT(WithList, (), (numbers))

Everything read_back(std::string_view bytes) {
    const Schema schema = schema_of("everything", type_info<Everything>());
    WireReader from(bytes);
    Everything read;
    read_row(from, schema.columns, type_info<Everything>(), &read);
    EXPECT_TRUE(from.at_end());
    return read;
}

}  // namespace

TEST(Wire, IntegersOfEveryLengthComeBack) {
    for (const std::int64_t value :
         {std::int64_t{0}, std::int64_t{-1}, std::int64_t{63}, std::int64_t{64},
          std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()}) {
        std::string bytes;
        WireWriter(bytes).integer(value);
        EXPECT_LE(bytes.size(), 10U);
        EXPECT_EQ(WireReader(bytes).integer(), value);
    }
}

TEST(Wire, ARowComesBackAndEveryShorterOneIsDataLoss) {
    Everything written{true, -7, 2.5, "Übersicht", {1'234'567}, "there"};
    const std::string bytes = row_bytes(type_info<Everything>(), &written);
    const Everything read = read_back(bytes);
    EXPECT_EQ(read.number, -7);
    EXPECT_EQ(read.real, 2.5);
    EXPECT_EQ(read.text, "Übersicht");
    EXPECT_EQ(read.at.micros, 1'234'567);
    EXPECT_EQ(read.maybe, "there");
    written.maybe.reset();
    EXPECT_EQ(read_back(row_bytes(type_info<Everything>(), &written)).maybe, std::nullopt);
    for (std::size_t size = 0; size < bytes.size(); ++size)
        EXPECT_THROW(read_back(std::string_view(bytes).substr(0, size)), Error) << size;
}

TEST(Columns, AFormHasTheSameTextAndIdInEveryProcess) {
    const Schema schema = schema_of("everything", type_info<Everything>());
    EXPECT_EQ(to_text(schema.columns), "flag:b number:i real:r text:t at:m maybe:t?");
    const Schema again = schema_from("everything", to_text(schema.columns));
    EXPECT_EQ(again.columns, schema.columns);
    EXPECT_EQ(again.id, schema.id);
    EXPECT_GT(schema.id, 0);
    EXPECT_NE(schema_from("everything", "flag:b").id, schema.id);
    for (const char* wrong : {"", "flag", "flag:", "flag:x", "flag:b!", "Flag:b", "a\"b:i"})
        EXPECT_THROW(schema_from("everything", wrong), Error) << wrong;
    EXPECT_THROW(schema_of("with_list", type_info<WithList>()), Error);
    EXPECT_THROW(schema_of("no name", type_info<Everything>()), Error);
}

TEST(Horizon, IsTheLookWhoseTransactionsHaveAllEnded) {
    Horizon horizon;
    EXPECT_EQ(horizon.look(10, 5, 5), 10) << "nothing runs";
    EXPECT_EQ(horizon.look(20, 5, 8), 10) << "5 to 7 run";
    EXPECT_EQ(horizon.look(30, 7, 12), 10);
    EXPECT_EQ(horizon.look(40, 8, 15), 20) << "those of the look at 20 have ended";
    EXPECT_EQ(horizon.look(50, 14, 20), 20);
    EXPECT_EQ(horizon.look(60, 20, 20), 60);
}

}  // namespace loadstone::analytics::internal
