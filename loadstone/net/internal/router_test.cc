#include "loadstone/net/internal/router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace loadstone::net::internal {
namespace {

using testing::HasSubstr;

Task<Response> nothing(Context&, const Request&) { co_return no_content(); }
Task<Response> one_path(Context&, Path<int>) { co_return no_content(); }
Task<Response> no_input(Context&) { co_return no_content(); }

struct Declared {
    std::vector<std::unique_ptr<Route>> list;
    Routes routes{"test", list};
};

std::string matched(const Router& router, Method method, std::string_view path) {
    RouteMatch match;
    router.match(method, path, match);
    std::string text = std::to_string(match.route);
    for (std::size_t i = 0; i < match.parameters.size(); ++i) {
        text += ' ';
        text += match.parameters.at(i);
    }
    return text;
}

TEST(Router, PrefersTextOverParameters) {
    Declared declared;
    declared.routes.get("/", nothing);
    declared.routes.get("/courses", nothing);
    declared.routes.get("/courses/{course}", nothing);
    declared.routes.get("/courses/new", nothing);
    declared.routes.get("/courses/{course}/parts/{part}", nothing);
    const Router router(declared.list);
    EXPECT_EQ(matched(router, Method::get, "/"), "0");
    EXPECT_EQ(matched(router, Method::get, "/courses"), "1");
    EXPECT_EQ(matched(router, Method::get, "/courses/7"), "2 7");
    EXPECT_EQ(matched(router, Method::get, "/courses/new"), "3");
    EXPECT_EQ(matched(router, Method::get, "/courses/newer"), "2 newer");
    EXPECT_EQ(matched(router, Method::get, "/courses/new/parts/x"), "4 new x");
    for (const std::string_view path :
         {"//", "/courses/", "//courses", "/courses//", "/courses/7/parts", "/courses/7/parts/",
          "/courses/7/parts/1/2", "/Courses", "/course"}) {
        EXPECT_EQ(matched(router, Method::get, path), "-1") << path;
    }
}

TEST(Router, LeavesABranchThatHasNotTheMethod) {
    Declared declared;
    declared.routes.get("/a/b", nothing);
    declared.routes.post("/a/{x}", nothing);
    declared.routes.get("/a/{x}/c", nothing);
    const Router router(declared.list);
    EXPECT_EQ(matched(router, Method::post, "/a/b"), "1 b");
    EXPECT_EQ(matched(router, Method::get, "/a/b/c"), "2 b");
    EXPECT_EQ(matched(router, Method::head, "/a/b"), "0");
    RouteMatch match;
    router.match(Method::delete_, "/a/b", match);
    EXPECT_EQ(match.route, -1);
    EXPECT_EQ(match.parameters.size(), 0u);
    EXPECT_EQ(allow_field(match.allowed), "GET, HEAD, POST, OPTIONS");
}

TEST(Router, RejectsPatternsThatCannotBeRoutes) {
    const auto rejects = [](std::string_view pattern) {
        Declared declared;
        declared.routes.get(std::string(pattern), nothing);
        try {
            const Router router(declared.list);
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Errc::invalid_argument);
            EXPECT_THAT(error.message(), HasSubstr(std::string(pattern)));
            return true;
        }
        return false;
    };
    for (const std::string_view pattern :
         {"", "a", "/a/", "//", "/a//b", "/{}", "/{a", "/a}", "/{a}b", "/{a}/{a}", "/a?b", "/a%20b",
          "/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}"}) {
        EXPECT_TRUE(rejects(pattern)) << pattern;
    }
    EXPECT_FALSE(rejects("/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}"));
    EXPECT_FALSE(rejects("/a/{b}/c.json"));
}

TEST(Router, RejectsTwoRoutesOfOneMethodAndShape) {
    Declared declared;
    declared.routes.get("/a/{x}", nothing);
    declared.routes.put("/a/{y}", nothing);
    EXPECT_NO_THROW(Router{declared.list});
    declared.routes.get("/a/{y}", nothing);
    EXPECT_THROW(Router{declared.list}, Error);
}

TEST(Router, RejectsHandlersThatDoNotFitTheirPattern) {
    Declared fewer;
    fewer.routes.get("/{a}/{b}", one_path);
    EXPECT_THROW(Router{fewer.list}, Error);
    Declared more;
    more.routes.get("/a", one_path);
    EXPECT_THROW(Router{more.list}, Error);
    Declared none;
    none.routes.get("/{a}", no_input);
    EXPECT_THROW(Router{none.list}, Error);
    Declared fits;
    fits.routes.get("/{a}", one_path);
    EXPECT_NO_THROW(Router{fits.list});
}

}  // namespace
}  // namespace loadstone::net::internal
