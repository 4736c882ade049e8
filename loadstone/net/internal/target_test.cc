#include "loadstone/net/internal/target.h"

#include <gtest/gtest.h>

namespace loadstone::net::internal {
namespace {

TEST(Target, SplitsOriginAndAbsoluteForm) {
    Target target;
    EXPECT_FALSE(parse_target("/a/b?c=d?e&f", Method::get, target));
    EXPECT_EQ(target.raw_path, "/a/b");
    EXPECT_EQ(target.query, "c=d?e&f");
    EXPECT_FALSE(target.is_absolute);
    EXPECT_FALSE(parse_target("HTTPS://example.org:8443?x", Method::get, target));
    EXPECT_EQ(target.raw_path, "/");
    EXPECT_EQ(target.query, "x");
    EXPECT_EQ(target.authority, "example.org:8443");
    EXPECT_TRUE(target.is_https);
    EXPECT_FALSE(parse_target("*", Method::options, target));
    EXPECT_TRUE(target.is_asterisk);
    for (const std::string_view text :
         {"*", "", "a", "example.org:80", "http:/x", "http://", "http://a b/", "?x"}) {
        EXPECT_EQ(parse_target(text, Method::get, target).status, 400) << text;
    }
}

TEST(Target, KnowsAuthorities) {
    for (const std::string_view text :
         {"a", "example.org", "a.b-c_d~e", "127.0.0.1:1", "a:65535", "[::1]", "[::1]:80"}) {
        EXPECT_TRUE(is_authority(text)) << text;
    }
    for (const std::string_view text :
         {"", ":80", "a:", "a:b", "a:123456", "a:80:80", "u@a", "a/b", "a b", "[::1", "[]",
          "[::1]80", "[::1]x", "a,b", "a%41", "\xc3\xa4"}) {
        EXPECT_FALSE(is_authority(text)) << text;
    }
}

TEST(Target, DecodesThePathOnce) {
    std::string storage;
    std::string_view path;
    const auto decoded = [&](std::string_view raw) {
        const HttpFailure failure = decode_path(raw, storage, path);
        return failure ? std::to_string(failure.status) : std::string(path);
    };
    EXPECT_EQ(decoded("/plain"), "/plain");
    EXPECT_EQ(decoded("/%61%2520"), "/a%20");
    EXPECT_EQ(decoded("/a%2fb%2Fc"), "/a%2Fb%2Fc");
    EXPECT_EQ(decoded("/%C3%A4"), "/\xc3\xa4");
    EXPECT_EQ(decoded("/.a/b./..c/..."), "/.a/b./..c/...");
    EXPECT_EQ(decoded("//a//"), "//a//");
    for (const std::string_view raw :
         {"/.", "/..", "/a/.", "/a/../b", "/./a", "/%2e", "/.%2E/", "/%", "/%4", "/a%", "/%g0",
          "/%0g", "/%00", "/%1f", "/%7f", "/%80", "/%c3", "/%ed%a0%80"}) {
        EXPECT_EQ(decoded(raw), "400") << raw;
    }
}

}  // namespace
}  // namespace loadstone::net::internal
