#include <fmt/core.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <limits>

#include "loadstone/base/json.h"

namespace loadstone {
namespace {

struct UserTag;

struct Line {
    std::string name;
    std::int32_t count = 0;
};
BOOST_DESCRIBE_STRUCT(Line, (), (name, count))

struct Order {
    Id<UserTag> user;
    std::optional<std::string> note;
    std::vector<Line> lines;
    std::vector<std::byte> seal;
    Timestamp placed;
    bool is_paid = false;
    double price = 0;
};
BOOST_DESCRIBE_STRUCT(Order, (), (user, note, lines, seal, placed, is_paid, price))

struct Registration {
    std::string name, email;
    std::optional<std::uint8_t> age;
};
BOOST_DESCRIBE_STRUCT(Registration, (), (name, email, age))

struct Tree {
    std::vector<Tree> of;
};
BOOST_DESCRIBE_STRUCT(Tree, (), (of))

struct Nested {
    std::optional<Line> line;
    std::optional<std::vector<std::optional<int>>> numbers;
    std::vector<std::vector<std::string>> words;
};
BOOST_DESCRIBE_STRUCT(Nested, (), (line, numbers, words))

// "path|message" of the failure; "" on success.
template <class T>
std::string fault(std::string_view text, const JsonReadOptions& options = {}) {
    const auto read = from_json<T>(text, options);
    if (read) return "";
    EXPECT_EQ(read.error().code(), Errc::invalid_argument);
    return read.error().field() + '|' + read.error().message();
}

TEST(ReadJson, FillsEveryKind) {
    const auto order = value_or_throw(from_json<Order>(
        R"( {"user":7, "note":"qu\u0069ck\n", "lines":[{"name":"tea","count":2},
            {"count":-1,"name":"milk"}], "seal":"AQI=", "placed":"2026-01-31T12:00:00.5Z",
            "is_paid":true,"price":12.5} )"));
    EXPECT_EQ(order.user, Id<UserTag>(7));
    EXPECT_EQ(order.note, "quick\n");
    ASSERT_EQ(order.lines.size(), 2U);
    EXPECT_EQ(order.lines[1].name, "milk");
    EXPECT_EQ(order.lines[1].count, -1);
    EXPECT_EQ(order.seal, (std::vector{std::byte{1}, std::byte{2}}));
    EXPECT_EQ(order.placed, Timestamp{1'769'860'800'500'000});
    EXPECT_TRUE(order.is_paid);
    EXPECT_EQ(order.price, 12.5);
    EXPECT_EQ(to_json(value_or_throw(from_json<Order>(to_json(order)))), to_json(order));
}

TEST(ReadJson, FillsOptionalsAndListsWithinEachOther) {
    const std::string text =
        R"({"line":{"name":"tea","count":2},"numbers":[1,null,3],"words":[[],["a","b"],[""]]})";
    EXPECT_EQ(to_json(value_or_throw(from_json<Nested>(text))), text);
    EXPECT_EQ(to_json(value_or_throw(from_json<Nested>(R"({"numbers":null,"words":[]})"))),
              R"({"line":null,"numbers":null,"words":[]})");
    EXPECT_EQ(fault<Nested>(R"({"numbers":[1,"2"],"words":[]})"),
              "numbers[1]|numbers[1]: expected an integer, got text");
    EXPECT_EQ(fault<Nested>(R"({"words":[[],["a",5]]})"),
              "words[1][1]|words[1][1]: expected text, got a number");
}

TEST(ReadJson, ReplacesWhatIsNamedAndKeepsTheRest) {
    Order order{.user = Id<UserTag>(1), .note = "old", .lines = {{"old", 1}}, .price = 3};
    const auto read = read_json(R"({"lines":[{"name":"new","count":2}],"note":null})",
                                type_info<Order>(), &order, stored_json);
    ASSERT_TRUE(read);
    EXPECT_EQ(order.user, Id<UserTag>(1));
    EXPECT_EQ(order.note, std::nullopt);
    ASSERT_EQ(order.lines.size(), 1U);
    EXPECT_EQ(order.lines[0].name, "new");
    EXPECT_EQ(order.price, 3);
}

TEST(ReadJson, NamesTheFieldOfTheWrongKind) {
    const auto email = [](std::string_view value) {
        return fault<Registration>(fmt::format(R"({{"name":"a","email":{}}})", value));
    };
    EXPECT_EQ(email("1"), "email|email: expected text, got a number");
    EXPECT_EQ(email("1.5"), "email|email: expected text, got a number");
    EXPECT_EQ(email("null"), "email|email: expected text, got null");
    EXPECT_EQ(email("true"), "email|email: expected text, got true or false");
    EXPECT_EQ(email("[]"), "email|email: expected text, got a list");
    EXPECT_EQ(email("{}"), "email|email: expected text, got an object");

    const auto order = [](std::string_view member) {
        return fault<Order>(fmt::format("{{{}}}", member));
    };
    EXPECT_EQ(order(R"("lines":{})"), "lines|lines: expected a list, got an object");
    EXPECT_EQ(order(R"("lines":[[]])"), "lines[0]|lines[0]: expected an object, got a list");
    EXPECT_EQ(order(R"("lines":[{"name":"a","count":1},{"name":2}])"),
              "lines[1].name|lines[1].name: expected text, got a number");
    EXPECT_EQ(order(R"("is_paid":0)"), "is_paid|is_paid: expected true or false, got a number");
    EXPECT_EQ(order(R"("price":"1")"), "price|price: expected a number, got text");
    EXPECT_EQ(order(R"("user":"7")"), "user|user: expected an integer, got text");
    EXPECT_EQ(order(R"("placed":0)"),
              "placed|placed: expected a time such as \"2026-01-31T12:00:00Z\", got a number");
    EXPECT_EQ(order(R"("placed":"today")"),
              "placed|placed: expected a time such as \"2026-01-31T12:00:00Z\"");
    EXPECT_EQ(order(R"("seal":"AQI")"), "seal|seal: expected base64 text");
}

TEST(ReadJson, HasNoPathForTheOutermostValue) {
    EXPECT_EQ(fault<Registration>("[]"), "|expected an object, got a list");
    EXPECT_EQ(fault<std::vector<int>>("\"a\""), "|expected a list, got text");
    EXPECT_EQ(fault<std::vector<int>>("[1,true]"),
              "[1]|[1]: expected an integer, got true or false");
}

TEST(ReadJson, RejectsUnknownMissingAndRepeatedFields) {
    EXPECT_EQ(fault<Registration>(R"({"name":"a","email":"b","nick":"c"})"),
              "nick|nick: unknown field");
    EXPECT_EQ(fault<Registration>(R"({"name":"a"})"), "email|email: missing field");
    EXPECT_EQ(fault<Registration>("{}"), "name|name: missing field");
    EXPECT_EQ(fault<Registration>(R"({"name":"a","email":"b","name":"c"})"),
              "name|name: the field appears twice");
    EXPECT_EQ(fault<Registration>(R"({"name":"a","n\u0061me":"c"})"),
              "name|name: the field appears twice");
    EXPECT_EQ(fault<Order>(R"({"lines":[{"name":"a","colour":1}]})"),
              "lines[0].colour|lines[0].colour: unknown field");
    EXPECT_EQ(fault<Order>(R"({"lines":[{"name":"a"}]})"),
              "lines[0].count|lines[0].count: missing field");
    EXPECT_EQ(fault<Registration>(R"({"name":"a","email":"b"})"), "");
}

TEST(ReadJson, RepeatsOfOneMemberInSeveralObjectsAreNoRepeats) {
    EXPECT_EQ(fault<std::vector<Line>>(R"([{"name":"a","count":1},{"name":"a","count":1}])"), "");
    EXPECT_EQ(fault<Tree>(R"({"of":[{"of":[]},{"of":[{"of":[]}]}]})"), "");
    EXPECT_EQ(fault<Tree>(R"({"of":[{"of":[],"of":[]}]})"),
              "of[0].of|of[0].of: the field appears twice");
}

TEST(ReadJson, OfStoredTextIgnoresUnknownAndMissingFields) {
    const auto read = from_json<Registration>(
        R"({"gone":{"a":[1,{"b":"\u00e4"},null,true,-1e5]},"email":"b","gone":"twice","old":[[]]})",
        stored_json);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->email, "b");
    EXPECT_EQ(read->name, "");
    EXPECT_EQ(fault<Registration>(R"({"email":"a","email":"b"})", stored_json),
              "email|email: the field appears twice");
}

TEST(ReadJson, CutsTheNamesAndNumbersThatItQuotes) {
    const std::string name(100, 'n');
    EXPECT_EQ(fault<Line>(R"({")" + name + R"(":1})"),
              name.substr(0, 48) + "...|" + name.substr(0, 48) + "...: unknown field");
    EXPECT_EQ(
        fault<int>(std::string(100, '9')),
        "|expected an integer from -2147483648 to 2147483647, got " + std::string(48, '9') + "...");
}

template <class T>
void expect_range(std::string_view below, std::string_view above) {
    for (const T value : {std::numeric_limits<T>::min(), std::numeric_limits<T>::max(), T{1}}) {
        EXPECT_EQ(value_or_throw(from_json<T>(to_json(value))), value);
    }
    const std::string range =
        fmt::format("|expected an integer from {} to {}, got ",
                    to_json(std::numeric_limits<T>::min()), to_json(std::numeric_limits<T>::max()));
    for (const std::string_view text : {below, above}) {
        EXPECT_EQ(fault<T>(text), fmt::format("{}{}", range, text));
    }
}

TEST(ReadJson, HoldsIntegersToTheirRange) {
    expect_range<std::int8_t>("-129", "128");
    expect_range<std::uint8_t>("-1", "256");
    expect_range<std::int16_t>("-32769", "32768");
    expect_range<std::uint16_t>("-1", "65536");
    expect_range<std::int32_t>("-2147483649", "2147483648");
    expect_range<std::uint32_t>("-1", "4294967296");
    expect_range<std::int64_t>("-9223372036854775809", "9223372036854775808");
    expect_range<std::uint64_t>("-1", "18446744073709551616");
    EXPECT_EQ(fault<Registration>(R"({"name":"a","email":"b","age":300})"),
              "age|age: expected an integer from 0 to 255, got 300");
}

TEST(ReadJson, TakesNoFractionForAnInteger) {
    for (const std::string_view text : {"1.5", "1.0", "1e2", "-0.0"}) {
        EXPECT_EQ(fault<std::int8_t>(text),
                  fmt::format("|expected an integer from -128 to 127, got {}", text));
    }
    EXPECT_EQ(from_json<int>("-0"), 0);
}

TEST(ReadJson, ReadsTheNearestReal) {
    for (const std::string_view text :
         {"0.1", "0.3", "1e+23", "9007199254740993", "2.2250738585072014e-308",
          "1.7976931348623157e+308", "123456789.12345678", "5e-324", "-0.000001234567890123456",
          "3", "-0", "0.1000000000000000055511151231257827"}) {
        EXPECT_EQ(value_or_throw(from_json<double>(text)),
                  std::strtod(std::string(text).c_str(), nullptr))
            << text;
    }
    EXPECT_EQ(value_or_throw(from_json<float>("0.1")), 0.1F);
    EXPECT_EQ(value_or_throw(from_json<float>("16777217")), 16777216.0F);
}

TEST(ReadJson, RejectsARealOutOfRange) {
    EXPECT_EQ(fault<double>("1e309"), "|1e309 is too large or too small a number");
    EXPECT_EQ(fault<double>("-1e309"), "|-1e309 is too large or too small a number");
    EXPECT_EQ(fault<float>("1e39"), "|1e39 is too large or too small a number");
    EXPECT_EQ(fault<double>("1e-400"), "|1e-400 is too large or too small a number");
}

TEST(ReadJson, SaysWhereTextIsNotJson) {
    EXPECT_EQ(fault<Line>(""), "|not JSON: incomplete JSON at byte 0");
    EXPECT_EQ(fault<Line>(R"({"name":"a")"), "|not JSON: incomplete JSON at byte 11");
    EXPECT_EQ(fault<Line>(R"({"name":"a","count":1} x)"), "|not JSON: extra data at byte 23");
    EXPECT_EQ(fault<Line>(R"({"name":"a",})"), "|not JSON: syntax error at byte 12");
    EXPECT_EQ(fault<Line>("{\"name\":\"a\xff\"}"), "|not JSON: invalid UTF-8 at byte 10");
    EXPECT_EQ(fault<Line>("{\"name\":\"\xed\xa0\x80\"}"), "|not JSON: invalid UTF-8 at byte 9");
}

TEST(ReadJson, RejectsEveryLooseSyntax) {
    for (const std::string_view text : {"{'name':'a'}",
                                        "{name:1}",
                                        "[1,]",
                                        "[1 2]",
                                        "[01]",
                                        "[+1]",
                                        "[.5]",
                                        "[1.]",
                                        "[1e]",
                                        "[-]",
                                        "[0x1]",
                                        "[NaN]",
                                        "[Infinity]",
                                        "[nul]",
                                        "[True]",
                                        "\"\t\"",
                                        "\"\n\"",
                                        "\"\\x\"",
                                        "\"\\u12\"",
                                        "\"\\ud800\"",
                                        "\"\\udc00\"",
                                        "\"\\ud800\\u0041\"",
                                        "// a\n1",
                                        "/**/1",
                                        "\xef\xbb\xbf[]",
                                        "[]]",
                                        "[}",
                                        "{]",
                                        "{}{}",
                                        "\"a",
                                        "\\",
                                        "nan",
                                        "[\"a\":1]",
                                        "{\"a\"}",
                                        "{\"a\":}",
                                        "{,}",
                                        "[,]",
                                        "1 2"}) {
        EXPECT_FALSE(from_json<std::vector<int>>(text, stored_json)) << text;
        // The same within a value that is skipped, where only the syntax counts.
        const auto skipped = fault<Line>(fmt::format(R"({{"x":{}}})", text), stored_json);
        EXPECT_EQ(skipped.substr(0, 10), "|not JSON:") << text;
    }
    EXPECT_FALSE(from_json<int>(std::string_view("1\0", 2)));
}

TEST(ReadJson, DecodesSurrogatePairsAndNul) {
    EXPECT_EQ(value_or_throw(from_json<std::string>(R"("\ud83d\ude00\u0000\/")", stored_json)),
              std::string("\xf0\x9f\x98\x80\0/", 6));
}

TEST(ReadJson, RefusesNulInTextOfRequests) {
    EXPECT_EQ(fault<std::vector<std::string>>(R"(["a","b\u0000c"])"),
              "[1]|[1]: text must not hold U+0000");
}

TEST(ReadJson, JoinsStringsThatComeInPieces) {
    // Escapes make the parser hand a string over in parts of its own buffer's size.
    const std::string text(5000, '\n');
    EXPECT_EQ(value_or_throw(from_json<std::string>(to_json(text))), text);
    std::string name;
    for (int i = 0; i < 3000; ++i) name += "\\u006e";
    EXPECT_EQ(fault<Line>("{\"" + name + "\":1}"),
              std::string(48, 'n') + "...|" + std::string(48, 'n') + "...: unknown field");
    std::string base64;
    for (int i = 0; i < 3000; ++i) base64 += "\\u0041";
    EXPECT_EQ(value_or_throw(from_json<std::vector<std::byte>>('"' + base64 + '"')).size(), 2250U);
    EXPECT_EQ(fault<Line>(R"({"x":")" + base64 + R"(","name":"\u0061","count":1})", stored_json),
              "");
}

std::string lists(int depth) {
    return std::string(static_cast<std::size_t>(depth), '[') +
           std::string(static_cast<std::size_t>(depth), ']');
}

TEST(ReadJson, HoldsTheTextToItsDepth) {
    const auto skipped = [](int depth, JsonReadOptions options) {
        options.unknown_fields_allowed = options.missing_fields_allowed = true;
        return fault<Line>(R"({"x":)" + lists(depth - 1) + "}", options);
    };
    EXPECT_EQ(skipped(31, {}), "");
    EXPECT_EQ(skipped(32, {}), "");
    EXPECT_EQ(skipped(33, {}), "|nested deeper than 32 levels at byte 36");
    EXPECT_EQ(skipped(1000, {.depth_max = 1000}), "");
    EXPECT_EQ(skipped(1001, {.depth_max = 1000}), "|nested deeper than 1000 levels at byte 1004");
    EXPECT_EQ(fault<std::vector<int>>("[]", {.depth_max = 1}), "");
    EXPECT_EQ(fault<Tree>(R"({"of":[]})", {.depth_max = 1}),
              "|nested deeper than 1 levels at byte 6");
}

TEST(ReadJson, FillsRecordsAtEveryDepth) {
    std::string text = R"({"of":[]})";
    for (int i = 0; i < 200; ++i) text = R"({"of":[)" + text + "]}";
    EXPECT_EQ(to_json(value_or_throw(from_json<Tree>(text, {.depth_max = 402}))), text);
    EXPECT_FALSE(from_json<Tree>(text, {.depth_max = 401}));
}

TEST(ReadJson, HoldsTheTextToItsItems) {
    const JsonReadOptions three{.items_max = 3};
    EXPECT_EQ(fault<std::vector<int>>("[1,2]", three), "");
    EXPECT_EQ(fault<std::vector<int>>("[1,2,3]", three), "");
    EXPECT_EQ(fault<std::vector<int>>("[1,2,3,4]", three),
              "[3]|[3]: more than 3 list items in all");
    using Lists = std::vector<std::vector<int>>;
    EXPECT_EQ(fault<Lists>("[[1],[]]", three), "");
    EXPECT_EQ(fault<Lists>("[[1],[2]]", three), "[1][0]|[1][0]: more than 3 list items in all");
}

TEST(ReadJsonDeathTest, ADepthOutsideOfOneToAThousandIsABug) {
    EXPECT_DEATH(static_cast<void>(from_json<int>("1", {.depth_max = 0})), "depth_max");
    EXPECT_DEATH(static_cast<void>(from_json<int>("1", {.depth_max = 1001})), "depth_max");
}

}  // namespace
}  // namespace loadstone
