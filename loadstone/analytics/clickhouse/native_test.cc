#include "loadstone/analytics/clickhouse/native.h"

#include <gtest/gtest.h>

#include "loadstone/analytics/internal/row_bytes.h"
#include "loadstone/base/error.h"

namespace loadstone::analytics::clickhouse {
namespace {

using namespace std::string_literals;

// As ClickHouse 18.16 answered `SELECT toInt64(-5) AS a, 'xy' AS b, CAST(NULL AS Nullable(Int64))
// AS n, toFloat64(1.5) AS r, toDate(1) AS d, toDateTime(2, 'UTC') AS t` for two rows.
const std::string block =
    "\x06\x02"
    "\x01"
    "a\x05Int64\xfb\xff\xff\xff\xff\xff\xff\xff\xfb\xff\xff\xff\xff\xff\xff\xff"
    "\x01"
    "b\x06String\x02xy\x02xy"
    "\x01"
    "n\x0fNullable(Int64)\x01\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
    "\x01"
    "r\x07"
    "Float64\0\0\0\0\0\0\xf8\x3f\0\0\0\0\0\0\xf8\x3f"
    "\x01"
    "d\x04"
    "Date\x01\0\x01\0"
    "\x01"
    "t\x08"
    "DateTime\x02\0\0\0\x02\0\0\0"s;

struct Read {
    std::vector<Column> columns;
    int column_calls = 0;
    std::vector<std::vector<std::string>> rows;
};

// In pieces of `piece` bytes.
Read read(const std::string& bytes, std::size_t piece) {
    Read found;
    auto columns = [&](const std::vector<Column>& of) {
        found.columns = of;
        ++found.column_calls;
    };
    auto rows = [&](std::string_view wire) {
        internal::WireReader from(wire);
        while (!from.at_end()) {
            auto& row = found.rows.emplace_back();
            for (const Column& column : found.columns) {
                const internal::Cell cell = read_cell(from, column);
                if (cell.is_null)
                    row.emplace_back("null");
                else if (column.type == ColumnType::text)
                    row.emplace_back(cell.text);
                else if (column.type == ColumnType::real)
                    row.push_back(std::to_string(cell.real));
                else
                    row.push_back(std::to_string(cell.integer));
            }
        }
    };
    NativeReader reader(columns, rows);
    for (std::size_t i = 0; i < bytes.size(); i += piece)
        reader.take(std::string_view(bytes).substr(i, piece));
    reader.finish();
    return found;
}

TEST(NativeReader, ReadsBlocksHoweverTheyAreCut) {
    for (const std::size_t piece : {1, 2, 7, 64, 1'000}) {
        const Read found = read(block + block, piece);
        EXPECT_EQ(found.column_calls, 1);
        EXPECT_EQ(to_text(found.columns), "a:i? b:t? n:i? r:r? d:m? t:m?");
        ASSERT_EQ(found.rows.size(), 4U) << piece;
        for (const auto& row : found.rows)
            EXPECT_EQ(row, (std::vector<std::string>{"-5", "xy", "null", "1.500000", "86400000000",
                                                     "2000000"}));
    }
    EXPECT_EQ(read("", 1).column_calls, 0);
}

TEST(NativeReader, SaysWhatIsNotWhole) {
    for (std::size_t bytes = 1; bytes < block.size(); ++bytes)
        EXPECT_THROW(read(block.substr(0, bytes), 1'000), Error) << bytes;
    EXPECT_THROW(read("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 100), Error);
    EXPECT_THROW(read("\x01\xff\xff\xff\xff\x7f\x01"
                      "a\x05Int64",
                      100),
                 Error)
        << "many rows";
}

TEST(NativeType, KnowsThoseOfColumns) {
    EXPECT_EQ(native_type("Nullable(UInt8)", "a").type, ColumnType::integer);
    EXPECT_EQ(native_type("DateTime('Europe/Berlin')", "a").type, ColumnType::timestamp);
    EXPECT_EQ(native_type("DateTime64(6, 'UTC')", "a").unit_us, 1);
    EXPECT_EQ(native_type("FixedString(3)", "a").width, 3);
    EXPECT_EQ(native_type("Bool", "a").type, ColumnType::boolean);
    for (const char* other : {"Array(UInt8)", "Decimal(18, 3)", "DateTime64(3)", "UUID",
                              "Nullable(UUID)", "FixedString(0)", "Enum8('a' = 1)", "Int128", ""})
        EXPECT_THROW(native_type(other, "a"), Error) << other;
}

TEST(NativeReader, RefusesANumberBeyondItsBits) {
    const std::string largest =
        "\x01\x01\x01"
        "a\x06UInt64\xff\xff\xff\xff\xff\xff\xff\x7f"s;
    EXPECT_EQ(read(largest, 100).rows.at(0).at(0), "9223372036854775807");
    const std::string beyond =
        "\x01\x01\x01"
        "a\x06UInt64\0\0\0\0\0\0\0\x80"s;
    EXPECT_THROW(read(beyond, 100), Error);
}

}  // namespace
}  // namespace loadstone::analytics::clickhouse
