#include "loadstone/net/internal/entity_tag.h"

#include <gtest/gtest.h>

namespace loadstone::net::internal {
namespace {

TEST(EntityTag, IsOfTheBodyAlone) {
    EXPECT_EQ(entity_tag_of("a"), entity_tag_of("a"));
    EXPECT_NE(entity_tag_of("a"), entity_tag_of("b"));
    EXPECT_EQ(entity_tag_of("").size(), 36U);
    EXPECT_TRUE(entity_tag_of("a").starts_with("W/\""));
}

TEST(EntityTag, IsNamedByWeakComparison) {
    for (const auto* tag : {"\"b\"", "W/\"b\""}) {
        for (const auto* names :
             {"\"b\"", "W/\"b\"", "\"a\", W/\"b\"", "\"a\",\"b\"", "W/\"b\" , \"a\"",
              " ,, \"a\" ,\t\"b\",", "*", " * ", "\"a,\", \"b\""})
            EXPECT_TRUE(is_named_by(names, tag)) << names;
        for (const auto* names : {"", "\"a\"", "\"B\"", "b", "W/b", "w/\"b\"", "\"b", "b\"",
                                  "\"a, b\"", "\"a\" \"b\"", "\"b\" \"a\"", "\"b\", a", "**",
                                  "*, \"b\"", "\"b\";", "W/", "\"", "\"a\"b\"", "\"b \""})
            EXPECT_FALSE(is_named_by(names, tag)) << names;
    }
}

}  // namespace
}  // namespace loadstone::net::internal
