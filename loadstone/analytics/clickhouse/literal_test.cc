#include "loadstone/analytics/clickhouse/literal.h"

#include <gtest/gtest.h>

#include <array>
#include <limits>

#include "loadstone/base/error.h"

namespace loadstone::analytics::clickhouse {
namespace {

using store::Value;

TEST(Literal, NumbersAreFormatted) {
    EXPECT_EQ(literal(Value(0)), "0");
    EXPECT_EQ(literal(Value(-5)), "(-5)") << "behind a minus it would begin a comment";
    EXPECT_EQ(literal(Value(std::numeric_limits<std::int64_t>::max())), "9223372036854775807");
    EXPECT_EQ(literal(Value(std::numeric_limits<std::int64_t>::min())), "(-9223372036854775808)");
    EXPECT_EQ(literal(Value(true)), "1");
    EXPECT_EQ(literal(Value(std::nullopt)), "NULL");
    EXPECT_EQ(literal(Value(1.0)), "1.0");
    EXPECT_EQ(literal(Value(-0.5)), "(-0.5)");
    EXPECT_EQ(literal(Value(-0.0)), "(-0.0)");
    EXPECT_EQ(literal(Value(1e300)), "1e+300");
    EXPECT_EQ(literal(Value(std::numeric_limits<double>::infinity())), "inf");
    EXPECT_EQ(literal(Value(-std::numeric_limits<double>::infinity())), "(-inf)");
    EXPECT_EQ(literal(Value(std::numeric_limits<double>::quiet_NaN())), "nan");
    const std::vector<std::byte> bytes(1);
    EXPECT_THROW(literal(Value(bytes)), Error);
}

TEST(Literal, NoTextEndsItsQuotes) {
    EXPECT_EQ(literal(Value("")), "''");
    EXPECT_EQ(literal(Value("it's")), "'it\\'s'");
    EXPECT_EQ(literal(Value("\\")), "'\\\\'");
    EXPECT_EQ(literal(Value("\\' or 1 -- ")), "'\\\\\\' or 1 -- '");
    EXPECT_EQ(literal(Value("a\nb\tc\"`Ü")), "'a\nb\tc\"`Ü'");
    EXPECT_EQ(literal(Value(std::string("a\0b", 3))), "'a\\0b'");
}

// Whatever bytes a text has: read as ClickHouse reads it, the literal is one, and gives them back.
TEST(Literal, GivesEveryByteBack) {
    for (int first = 0; first < 256; ++first) {
        for (const char second : {'\'', '\\', 'n', '0', '\0', 'x'}) {
            const std::string text{static_cast<char>(first), second};
            const std::string made = literal(Value(text));
            std::string read;
            std::size_t i = 1;
            for (; i < made.size() && made[i] != '\''; ++i) {
                if (made[i] != '\\') {
                    read += made[i];
                    continue;
                }
                ++i;
                read += made[i] == '0' ? '\0' : made[i];
                EXPECT_TRUE(made[i] == '0' || made[i] == '\\' || made[i] == '\'') << made;
            }
            EXPECT_EQ(i, made.size() - 1) << made;
            EXPECT_EQ(read, text) << first;
        }
    }
}

std::string bound(std::string_view text, std::initializer_list<Value> values) {
    return with_values(text, std::vector<Value>(values));
}

TEST(WithValues, ReplacesParametersAndNothingElse) {
    EXPECT_EQ(bound("select $1, $2, $1", {1, "a"}), "select 1, 'a', 1");
    EXPECT_EQ(bound("$2$1 $3 $4 $5 $6 $7 $8 $9 $10", {-1, 2, 3, 4, 5, 6, 7, 8, 9, 10}),
              "2(-1) 3 4 5 6 7 8 9 10");
    EXPECT_EQ(bound("'$1' \"$1\" `$1` /* $1 */ -- $1\n $1", {7}),
              "'$1' \"$1\" `$1` /* $1 */ -- $1\n 7");
    EXPECT_EQ(bound("'it\\'s $1', $1", {7}), "'it\\'s $1', 7");
    EXPECT_EQ(bound("'a''$1', $1", {7}), "'a''$1', 7");
    EXPECT_EQ(bound("/*/ $1 */ $1", {7}), "/*/ $1 */ 7");
    EXPECT_EQ(bound("a - $1 / $2 $ x", {1, 2}), "a - 1 / 2 $ x");
    // A value is not looked into.
    EXPECT_EQ(bound("$1 $2", {"$2", "$1"}), "'$2' '$1'");
    EXPECT_EQ(bound("select 1 -- $1", {}), "select 1 -- $1");
}

TEST(WithValues, RefusesWhatDoesNotFit) {
    EXPECT_THROW(bound("$1", {}), Error);
    EXPECT_THROW(bound("$0", {1}), Error);
    EXPECT_THROW(bound("$1 $3", {1, 2}), Error);
    EXPECT_THROW(bound("$1", {1, 2}), Error);
    EXPECT_THROW(bound("'$1'", {1}), Error);
    EXPECT_THROW(bound("$99999999999999999999", {1}), Error);
}

}  // namespace
}  // namespace loadstone::analytics::clickhouse
