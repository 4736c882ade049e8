#include "loadstone/net/check.h"

#include <gtest/gtest.h>

namespace loadstone::net {
namespace {

bool is_email(std::string_view text) {
    Check check;
    check.email("email", text);
    return check.failures().empty();
}

TEST(Check, TakesAddressesThatMailCanBeSentTo) {
    for (const std::string_view text :
         {"a@b.c", "first.last+tag@sub.example.org", "root@localhost", "o'neil@example.org",
          "j\xc3\xb6rg@ex\xc3\xa4mple.org", "a@1.2", "x_y=z@a-b.org"}) {
        EXPECT_TRUE(is_email(text)) << text;
    }
    for (const std::string_view text :
         {"",         "a",       "@",         "a@",          "@b.c",
          "a@b",      "a@@b.c",  "a@b.c@d.e", "a b@c.d",     "a@b .c",
          "a@b..c",   "a@.b",    "a@b.",      ".a@b.c",      "a.@b.c",
          "a..b@c.d", "a@-b.c",  "a@b-.c",    "a\r\nb@c.d",  "a@b.c\n",
          "<a@b.c>",  "a,b@c.d", "a@b_c.d",   "\"a b\"@c.d", "a@[127.0.0.1]"}) {
        EXPECT_FALSE(is_email(text)) << text;
    }
    const std::string local(64, 'l');
    EXPECT_TRUE(is_email(local + "@example.org"));
    EXPECT_FALSE(is_email("l" + local + "@example.org"));
    std::string domain;
    while (domain.size() < 180) domain += "abcdefghi.";
    EXPECT_TRUE(is_email(local + "@" + domain + std::string(254 - 65 - domain.size(), 'd')));
    EXPECT_FALSE(is_email(local + "@" + domain + std::string(255 - 65 - domain.size(), 'd')));
}

TEST(Check, TakesALineWithoutControlCharacters) {
    const auto is_line = [](std::string_view text) {
        Check check;
        check.line("name", text, 1, 10);
        return check.failures().empty();
    };
    for (const std::string_view text : {"a", "J\xc3\xb6rg \xf0\x9f\x98\x80", "0123456789"}) {
        EXPECT_TRUE(is_line(text)) << text;
    }
    for (const std::string_view text : {"", " ", "a\tb", "a\r\nb", "\x1b[31m", "a\x7f",
                                        "\xc2\x9b, a C1 control", "01234567890"}) {
        EXPECT_FALSE(is_line(text)) << text;
    }
}

TEST(Check, CountsCharactersAndNotBytes) {
    Check check;
    check.length("name", "\xc3\xa4\xc3\xb6\xc3\xbc", 3, 3);
    EXPECT_TRUE(check.failures().empty());
    check.length("name", "\xc3\xa4\xc3\xb6", 3, 3);
    ASSERT_EQ(check.failures().size(), 1u);
    EXPECT_EQ(check.failures()[0].field(), "name");
    EXPECT_EQ(check.failures()[0].message(), "must have 3 to 3 characters, has 2");
}

TEST(Check, HoldsRangesAtTheirEnds) {
    for (const auto& [value, failures] : {std::pair(0, 1u), {1, 0u}, {5, 0u}, {6, 1u}}) {
        Check check;
        check.range("n", value, 1, 5);
        EXPECT_EQ(check.failures().size(), failures) << value;
    }
}

TEST(Check, RecordsItsRulesInsteadOfChecking) {
    Check check = Check::recording();
    check.length("name", "", 1, 200);
    check.range("age", 0, 1, 150);
    check.email("email", "");
    check.that("name", false, "never seen");
    EXPECT_TRUE(check.failures().empty());
    ASSERT_EQ(check.rules().size(), 3u);
    EXPECT_EQ(check.rules()[0].max_length, 200u);
    EXPECT_EQ(check.rules()[1].min, 1);
    EXPECT_EQ(check.rules()[2].format, "email");
}

}  // namespace
}  // namespace loadstone::net
