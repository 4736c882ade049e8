#include "campus/courses/title_key.h"

#include <gtest/gtest.h>

namespace campus::courses {
namespace {

TEST(TitleKey, IsWithoutTheCaseOfAsciiLetters) {
    EXPECT_EQ(title_key("Linear Algebra II"), "linear algebra ii");
    EXPECT_EQ(title_key("\u00c4sthetik"), "\u00c4sthetik") << "only ASCII letters";
    EXPECT_EQ(title_key(""), "");
}

TEST(TitleKey, ThoseOfAPrefixLieInOneRange) {
    for (const std::string prefix : {"", "a", "lin", "z", "\u00e4", "\u4e2d"}) {
        const std::string end = end_of_prefix(prefix);
        for (const std::string rest : {"", "a", "z", "\u00ff", "\u4e2d", "\U0001F393"}) {
            EXPECT_GE(prefix + rest, prefix);
            EXPECT_LT(prefix + rest, end) << prefix << " and " << rest;
        }
    }
    EXPECT_GE(std::string("lip"), end_of_prefix("lin"));
    EXPECT_GE(std::string("b"), end_of_prefix("a"));
    EXPECT_LT(std::string("li"), std::string("lin"));
}

}  // namespace
}  // namespace campus::courses
