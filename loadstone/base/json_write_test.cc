#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

#include "loadstone/base/encoding.h"
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

struct Versioned {
    int version = 1;
    std::string of = "all";
};
BOOST_DESCRIBE_STRUCT(Versioned, (), (version, of))

struct Empty {};
BOOST_DESCRIBE_STRUCT(Empty, (), ())

std::string written(std::string_view text) {
    std::string out;
    write_json_string(out, text);
    return out;
}

TEST(WriteJson, WritesEveryKind) {
    Order order{.user = Id<UserTag>(7)};
    EXPECT_EQ(to_json(order),
              R"({"user":7,"note":null,"lines":[],"seal":"",)"
              R"("placed":"1970-01-01T00:00:00.000000Z","is_paid":false,"price":0})");
    order.note = "quick";
    order.lines = {{"tea", 2}, {"milk", -1}};
    order.seal = {std::byte{1}, std::byte{2}};
    order.placed = {1'769'860'800'000'001};
    order.is_paid = true;
    order.price = 12.5;
    EXPECT_EQ(to_json(order),
              R"({"user":7,"note":"quick","lines":[{"name":"tea","count":2},)"
              R"({"name":"milk","count":-1}],"seal":"AQI=",)"
              R"("placed":"2026-01-31T12:00:00.000001Z","is_paid":true,"price":12.5})");
}

TEST(WriteJson, LeavesOutWhatANewOneHolds) {
    const auto changes = [](const Order& order) {
        std::string out;
        append_json_changes(out, order);
        return out;
    };
    EXPECT_EQ(changes({}), R"({"seal":"","placed":"1970-01-01T00:00:00.000000Z","price":0})");
    Order order{.user = Id<UserTag>(7), .note = "", .lines = {{"", 0}}, .is_paid = true};
    const std::string text = changes(order);
    EXPECT_EQ(text, R"({"user":7,"note":"","lines":[{"name":"","count":0}],"seal":"",)"
                    R"("placed":"1970-01-01T00:00:00.000000Z","is_paid":true,"price":0})");
    EXPECT_EQ(to_json(value_or_throw(from_json<Order>(text, stored_json))), to_json(order));
}

TEST(WriteJson, ComparesWithTheDefaultsOfTheType) {
    std::string out;
    append_json_changes(out, Versioned{});
    EXPECT_EQ(out, "{}");
    append_json_changes(out, Versioned{.version = 0, .of = ""});
    EXPECT_EQ(out, R"({}{"version":0,"of":""})");
}

TEST(WriteJson, WritesWhatHasNoMembers) {
    EXPECT_EQ(to_json(Empty{}), "{}");
    EXPECT_EQ(to_json(std::vector<Empty>(2)), "[{},{}]");
    EXPECT_EQ(to_json(std::optional<std::optional<bool>>()), "null");
}

TEST(WriteJson, AppendsToWhatIsThere) {
    std::string out = "data: ";
    const int value = 5;
    write_json(out, type_info<int>(), &value);
    EXPECT_EQ(out, "data: 5");
}

template <class T>
std::string written_within(const T& value, std::size_t bytes_max) {
    std::string out;
    write_json(out, type_info<T>(), &value, bytes_max);
    return out;
}

TEST(WriteJson, IsWholeWithinItsBound) {
    const std::vector<std::string> texts{"a", "\n\xff", std::string(100, '"')};
    const std::string whole = to_json(texts);
    EXPECT_EQ(written_within(texts, whole.size()), whole);
    EXPECT_EQ(written_within(texts, whole.size() + 1), whole);
    for (std::size_t bytes_max = 0; bytes_max < whole.size(); ++bytes_max) {
        EXPECT_GT(written_within(texts, bytes_max).size(), bytes_max);
    }
}

TEST(WriteJson, EndsSoonAfterItsBound) {
    constexpr std::size_t bytes_max = 1'000;
    const auto expect_ends = [=](const auto& value) {
        const std::string out = written_within(value, bytes_max);
        EXPECT_GT(out.size(), bytes_max);
        EXPECT_LT(out.size(), 2 * bytes_max);
    };
    expect_ends(std::vector<int>(1'000'000));
    expect_ends(std::vector<std::vector<Line>>(1'000, std::vector<Line>(1'000)));
    expect_ends(std::vector<std::optional<std::string>>(10, std::string(100'000, 'x')));
    expect_ends(std::string(1'000'000, '\x01'));
    expect_ends(std::string(1'000'000, '\xff'));
    expect_ends(std::string(500, '\x01') + std::string(490, 'x'));
    expect_ends(std::vector<std::byte>(1'000'000));
}

template <class T>
void expect_both_ends(std::string_view least, std::string_view most) {
    EXPECT_EQ(to_json(std::numeric_limits<T>::min()), least);
    EXPECT_EQ(to_json(std::numeric_limits<T>::max()), most);
}

TEST(WriteJson, WritesTheEndsOfEveryInteger) {
    expect_both_ends<std::int8_t>("-128", "127");
    expect_both_ends<std::uint8_t>("0", "255");
    expect_both_ends<std::int16_t>("-32768", "32767");
    expect_both_ends<std::uint16_t>("0", "65535");
    expect_both_ends<std::int32_t>("-2147483648", "2147483647");
    expect_both_ends<std::uint32_t>("0", "4294967295");
    expect_both_ends<std::int64_t>("-9223372036854775808", "9223372036854775807");
    expect_both_ends<std::uint64_t>("0", "18446744073709551615");
}

TEST(WriteJson, WritesRealsInTheFewestDigitsThatReadBack) {
    EXPECT_EQ(to_json(0.1), "0.1");
    EXPECT_EQ(to_json(0.1F), "0.1");
    EXPECT_EQ(to_json(-0.0), "-0");
    EXPECT_EQ(to_json(1e300), "1e+300");
    EXPECT_EQ(to_json(-std::numeric_limits<double>::min()), "-2.2250738585072014e-308");
}

TEST(WriteJson, WritesNullForARealThatIsNotFinite) {
    EXPECT_EQ(to_json(std::numeric_limits<double>::infinity()), "null");
    EXPECT_EQ(to_json(-std::numeric_limits<float>::infinity()), "null");
    EXPECT_EQ(to_json(std::numeric_limits<double>::quiet_NaN()), "null");
}

TEST(WriteJsonString, EscapesWhatRfc8259Demands) {
    EXPECT_EQ(written(""), R"("")");
    EXPECT_EQ(written("\"\\/"), R"("\"\\/")");
    EXPECT_EQ(written("\b\f\n\r\t"), R"("\b\f\n\r\t")");
    EXPECT_EQ(written(std::string_view("\0\x1f\x7f", 3)), "\"\\u0000\\u001f\x7f\"");
    EXPECT_EQ(written("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"),
              "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"");
}

TEST(WriteJsonString, FindsTheByteToEscapeAtEveryPlaceOfAWord) {
    for (const auto& [byte, escaped] : {std::pair<char, std::string>('"', "\\\""),
                                        {'\\', "\\\\"},
                                        {'\x1f', "\\u001f"},
                                        {'\0', "\\u0000"},
                                        {'\n', "\\n"},
                                        {' ', " "},
                                        {'!', "!"},
                                        {'#', "#"},
                                        {'[', "["},
                                        {']', "]"},
                                        {'\x7f', "\x7f"},
                                        {'\x80', "\xEF\xBF\xBD"},
                                        {'\xff', "\xEF\xBF\xBD"}}) {
        for (std::size_t place = 0; place < 24; ++place) {
            std::string text(24, 'x');
            text[place] = byte;
            std::string expected(24, 'x');
            expected.replace(place, 1, escaped);
            EXPECT_EQ(written(text), '"' + expected + '"') << place;
            std::string same(17, byte);
            std::string all;
            for (int i = 0; i < 17; ++i) all += escaped;
            EXPECT_EQ(written(same), '"' + all + '"');
        }
    }
}

TEST(WriteJsonString, ReplacesEachInvalidSequenceOnce) {
    const std::string replacement = "\xEF\xBF\xBD";
    EXPECT_EQ(written("a\xffz"), "\"a" + replacement + "z\"");
    EXPECT_EQ(written("\xe2\x82"), '"' + replacement + '"');
    EXPECT_EQ(written("\xe2\x82z"), '"' + replacement + "z\"");
    EXPECT_EQ(written("\xed\xa0\x80"), '"' + replacement + replacement + replacement + '"');
    EXPECT_EQ(written("\xc3\""), '"' + replacement + "\\\"\"");
    EXPECT_TRUE(is_utf8(written("\xf0\x9f\x98\xc3\xa4\x80")));
}

}  // namespace
}  // namespace loadstone
