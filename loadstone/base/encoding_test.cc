#include "loadstone/base/encoding.h"

#include <gtest/gtest.h>

#include "loadstone/base/internal/utf8.h"
#include "loadstone/base/random.h"

namespace loadstone {
namespace {

std::string text_of(const std::vector<std::byte>& bytes) {
    std::string text;
    for (const std::byte byte : bytes) text += static_cast<char>(byte);
    return text;
}

struct Vector {
    std::string_view text, base64, base64url;
};

// RFC 4648 10, and bytes whose digits differ between the two alphabets.
constexpr Vector vectors[] = {
    {"", "", ""},
    {"f", "Zg==", "Zg"},
    {"fo", "Zm8=", "Zm8"},
    {"foo", "Zm9v", "Zm9v"},
    {"foob", "Zm9vYg==", "Zm9vYg"},
    {"fooba", "Zm9vYmE=", "Zm9vYmE"},
    {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
    {"\xfb\xff\xfe", "+//+", "-__-"},
};

TEST(Base64, EncodesTheVectorsOfTheRfc) {
    for (const auto& [text, base64, base64url] : vectors) {
        EXPECT_EQ(to_base64(as_bytes(text)), base64);
        EXPECT_EQ(to_base64url(as_bytes(text)), base64url);
    }
}

TEST(Base64, DecodesTheVectorsOfTheRfc) {
    for (const auto& [text, base64, base64url] : vectors) {
        const auto bytes = from_base64(base64);
        ASSERT_TRUE(bytes) << base64;
        EXPECT_EQ(text_of(*bytes), text);
    }
}

TEST(Base64, AppendsToWhatIsThere) {
    std::string out = "data:";
    append_base64(out, as_bytes("fo"));
    EXPECT_EQ(out, "data:Zm8=");
}

TEST(Base64, RejectsWhatItWouldNotWrite) {
    for (const std::string_view text :
         {"Z", "Zg", "Zg=", "Zg===", "=", "==", "===", "====", "Z===", "Zh==", "Zm9=", "Zm8=Zm8=",
          "Zm 9", "Zm9v\n", "-__-", "Zg=a", "Zg==\n", "Zm9\x80"}) {
        EXPECT_FALSE(from_base64(text)) << text;
    }
}

TEST(Base64, ReturnsRandomBytesOfEveryLength) {
    Random random(7);
    for (std::size_t length = 0; length < 200; ++length) {
        std::vector<std::byte> bytes(length);
        for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.below(256));
        const std::string text = to_base64(bytes);
        EXPECT_EQ(text.size(), (length + 2) / 3 * 4);
        EXPECT_EQ(from_base64(text), bytes);
        EXPECT_EQ(to_base64url(bytes).size(), (length * 4 + 2) / 3);
    }
}

TEST(Hex, IsLowerCase) {
    EXPECT_EQ(to_hex({}), "");
    EXPECT_EQ(to_hex(as_bytes(std::string_view("\0\x09\xaf\xff", 4))), "0009afff");
}

TEST(Utf8, AcceptsTheEndsOfEveryRange) {
    for (const std::string_view text :
         {"", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xec\xbf\xbf", "\xed\x80\x80",
          "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf3\xbf\xbf\xbf",
          "\xf4\x8f\xbf\xbf", "eight plain bytes, then \xc3\xa4"}) {
        EXPECT_TRUE(is_utf8(text)) << text;
    }
}

TEST(Utf8, RejectsWhatLiesJustOutsideEveryRange) {
    for (const std::string_view text :
         {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2\x7f", "\xc2\xc0", "\xe0\x9f\xbf",
          "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
          "\xf5\x80\x80\x80", "\xff", "\xc2", "\xe1\x80", "\xf1\x80\x80", "\xe1\x80\xc0",
          "12345678\x80", "1234567\xc3\xa4\xc3"}) {
        EXPECT_FALSE(is_utf8(text)) << text;
    }
}

TEST(Printable, RefusesWhatActsOnATerminalOrHides) {
    for (const std::string_view good :
         {"", "Zo\u00eb \u4e2d\u6587", "\u00a0", "\u0627\u200d\u200c", "\u2027\u202f"})
        EXPECT_TRUE(is_printable(good)) << good;
    for (const std::string_view bad :
         {"\x1b[31m", "\x7f", "\t", "a\nb", "\xc2\x80", "\xc2\x9b", "\u200b", "\u2028", "\u202e",
          "\u2066", "\u2069", "\ufeff", "\xff"})
        EXPECT_FALSE(is_printable(bad)) << bad;
    EXPECT_EQ(printable("a\x1b[1m\tb\n\xc2\x9b!\u202e"), "a?[1m\tb\n?!?");
    EXPECT_EQ(printable("Zo\u00eb"), "Zo\u00eb");
}

TEST(Utf8, CountsTheValidBytesBeforeAFault) {
    EXPECT_EQ(internal::utf8_valid_bytes("12345678\xc3\xa4\xff"), 10U);
    EXPECT_EQ(internal::utf8_valid_bytes("12345678"), 8U);
}

TEST(Utf8, IsCutBetweenSequences) {
    EXPECT_EQ(internal::utf8_prefix("a\xc3\xa4z", 4), "a\xc3\xa4z");
    EXPECT_EQ(internal::utf8_prefix("a\xc3\xa4z", 3), "a\xc3\xa4");
    EXPECT_EQ(internal::utf8_prefix("a\xc3\xa4z", 2), "a");
    EXPECT_EQ(internal::utf8_prefix("\x80\x80", 1), "");
}

}  // namespace
}  // namespace loadstone
