#include "loadstone/store/postgres/internal/result_row.h"

#include <gtest/gtest.h>

#include <array>
#include <limits>

#include "loadstone/base/error.h"
#include "loadstone/store/postgres/internal/bound_values.h"
#include "loadstone/store/postgres/internal/handles.h"

namespace loadstone::store::postgres {

namespace {

// A result of one column and one row, in binary.
ResultHandle result_of(Oid type, std::string_view wire) {
    ResultHandle result(PQmakeEmptyPGresult(nullptr, PGRES_TUPLES_OK));
    std::string name = "value";
    PGresAttDesc column{};
    column.name = name.data();
    column.format = 1;
    column.typid = type;
    PQsetResultAttrs(result.get(), 1, &column);
    std::string bytes(wire);
    PQsetvalue(result.get(), 0, 0, bytes.data(), static_cast<int>(bytes.size()));
    return result;
}

struct OneRow {
    OneRow(Oid type, std::string_view wire) : result(result_of(type, wire)) {}
    const Row& row() {
        current.emplace(result.get(), 0, "test.statement", verified);
        return *current;
    }
    ResultHandle result;
    internal::VerifiedTypes verified;
    std::optional<ResultRow> current;
};

std::string numeric(std::vector<int> words) {
    std::string wire;
    for (const int word : words) {
        wire += static_cast<char>((word >> 8) & 0xff);
        wire += static_cast<char>(word & 0xff);
    }
    return wire;
}

}  // namespace

// digits, weight, sign, scale, digits to base 10000
TEST(ResultRow, ReadsANumericWithoutAFractionAsAnInteger) {
    const std::pair<std::vector<int>, std::int64_t> cases[] = {
        {{0, 0, 0, 0}, 0},
        {{1, 0, 0, 0, 7}, 7},
        {{1, 1, 0, 0, 2}, 20'000},
        {{2, 1, 0x4000, 0, 1, 2345}, -12'345},
        {{5, 4, 0, 0, 922, 3372, 368, 5477, 5807}, std::numeric_limits<std::int64_t>::max()},
        {{5, 4, 0x4000, 0, 922, 3372, 368, 5477, 5808}, std::numeric_limits<std::int64_t>::min()},
    };
    for (const auto& [words, value] : cases) {
        OneRow one(oid::numeric, numeric(words));
        EXPECT_EQ(one.row().integer(0), value);
        EXPECT_DOUBLE_EQ(one.row().real(0), static_cast<double>(value));
    }
}

TEST(ResultRow, RefusesANumericThatIsNoInteger) {
    for (const auto& words : {std::vector<int>{1, -1, 0, 1, 5000},       // 0.5
                              {5, 4, 0, 0, 922, 3372, 368, 5477, 5808},  // 2^63
                              {1, 9, 0, 0, 1},                           // 10^36
                              {0, 0, 0xC000, 0}}) {                      // not a number
        OneRow one(oid::numeric, numeric(words));
        EXPECT_THROW(one.row().integer(0), Error);
    }
    OneRow half(oid::numeric, numeric({1, -1, 0, 1, 5000}));
    EXPECT_EQ(half.row().real(0), 0.5);
}

TEST(ResultRow, ReadsIntegersOfEveryWidth) {
    EXPECT_EQ(OneRow(oid::int2, std::string_view("\xff\xfe", 2)).row().integer(0), -2);
    EXPECT_EQ(OneRow(oid::int4, std::string_view("\x80\x00\x00\x00", 4)).row().integer(0),
              std::numeric_limits<std::int32_t>::min());
    EXPECT_EQ(
        OneRow(oid::int8, std::string_view("\x00\x00\x00\x00\x00\x00\x01\x00", 8)).row().integer(0),
        256);
}

TEST(ResultRow, SaysWhichTypeItFound) {
    OneRow one(oid::text, "words");
    EXPECT_EQ(one.row().text(0), "words");
    try {
        one.row().integer(0);
        FAIL() << "it was read";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Errc::data_loss);
        EXPECT_EQ(error.message(),
                  "test.statement: column 'value' holds text where integer is expected");
    }
}

TEST(ResultRow, TakesTheVersionOffJsonb) {
    EXPECT_EQ(OneRow(oid::jsonb, std::string_view("\x01{}", 3)).row().text(0), "{}");
}

}  // namespace loadstone::store::postgres
