#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/describe.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "loadstone/net/http_server.h"

namespace loadstone::net {

struct Lesson {
    std::string title;
    std::optional<int> minutes;
};
BOOST_DESCRIBE_STRUCT(Lesson, (), (title, minutes))

struct CourseTag;
struct Course {
    Id<CourseTag> id;
    std::string name;
    std::vector<Lesson> lessons;
    std::optional<Lesson> first;
    Timestamp made;
    bool open = false;
    std::uint8_t stars = 0;
};
BOOST_DESCRIBE_STRUCT(Course, (), (id, name, lessons, first, made, open, stars))

void validate(Check& check, const Course& in) {
    check.length("name", in.name, 1, 200);
    check.range("stars", in.stars, 1, 5);
}

struct Listing {
    std::int64_t after = 0;
    std::optional<int> limit;
};
BOOST_DESCRIBE_STRUCT(Listing, (), (after, limit))

void validate(Check& check, const Listing& in) {
    check.range("limit", in.limit.value_or(1), 1, 100);
}

namespace {

namespace json = boost::json;

Task<Reply<Course, 201>> create(Context&, Path<Id<CourseTag>>, Body<Course> in) {
    Reply<Course, 201> reply;
    reply.body = *in;
    co_return reply;
}
Task<Response> list(Context&, Parameters<Listing>) { co_return no_content(); }

json::value described() {
    std::vector<std::unique_ptr<Route>> list_of_routes;
    Routes routes("courses", list_of_routes);
    routes.post("/courses/{course}/copies", create).summary_is("Copy a course");
    routes.get("/courses", list).open_to_all().limit_per_address(5, std::chrono::seconds(60));
    return json::parse(HttpServer::openapi(list_of_routes, "Test", "1.2", false));
}

// A value by JSON pointer, as text.
std::string at(const json::value& document, std::string_view pointer) {
    boost::system::error_code error;
    const json::value* value =
        document.find_pointer(json::string_view(pointer.data(), pointer.size()), error);
    return value == nullptr ? "absent" : json::serialize(*value);
}

TEST(OpenApi, DescribesOperations) {
    const json::value document = described();
    EXPECT_EQ(at(document, "/openapi"), R"("3.1.0")");
    EXPECT_EQ(at(document, "/info/title"), R"("Test")");
    const std::string post = "/paths/~1courses~1{course}~1copies/post";
    EXPECT_EQ(at(document, post + "/operationId"), R"("post_courses_course_copies")");
    EXPECT_EQ(at(document, post + "/summary"), R"("Copy a course")");
    EXPECT_EQ(at(document, post + "/tags"), R"(["courses"])");
    EXPECT_EQ(at(document, post + "/security"), R"([{"session":[]}])");
    EXPECT_EQ(at(document, post + "/parameters/0/name"), R"("course")");
    EXPECT_EQ(at(document, post + "/parameters/0/in"), R"("path")");
    EXPECT_EQ(at(document, post + "/parameters/1/name"), R"("Idempotency-Key")");
    EXPECT_EQ(at(document, post + "/requestBody/content/application~1json/schema"),
              R"({"$ref":"#/components/schemas/Course"})");
    EXPECT_EQ(at(document, post + "/responses/201/content/application~1json/schema"),
              R"({"$ref":"#/components/schemas/Course"})");
    EXPECT_EQ(at(document, post + "/responses/401/content/application~1problem+json/schema"),
              R"({"$ref":"#/components/schemas/Problem"})");
    const std::string get = "/paths/~1courses/get";
    EXPECT_EQ(at(document, get + "/security"), "[]");
    EXPECT_EQ(at(document, get + "/parameters/1/name"), R"("limit")");
    EXPECT_EQ(at(document, get + "/parameters/1/in"), R"("query")");
    EXPECT_EQ(at(document, get + "/parameters/1/schema/maximum"), "100");
    EXPECT_NE(at(document, get + "/responses/429"), "absent");
}

TEST(OpenApi, DescribesTypesWithTheirRules) {
    const json::value document = described();
    const std::string course = "/components/schemas/Course";
    EXPECT_EQ(at(document, course + "/properties/id"),
              R"({"type":"integer","format":"int64","minimum":1})");
    EXPECT_EQ(at(document, course + "/properties/name"),
              R"({"type":"string","minLength":1,"maxLength":200})");
    EXPECT_EQ(at(document, course + "/properties/lessons"),
              R"({"type":"array","items":{"$ref":"#/components/schemas/Lesson"}})");
    EXPECT_EQ(at(document, course + "/properties/first"),
              R"({"anyOf":[{"$ref":"#/components/schemas/Lesson"},{"type":"null"}]})");
    EXPECT_EQ(at(document, course + "/properties/made"),
              R"({"type":"string","format":"date-time"})");
    EXPECT_EQ(at(document, course + "/properties/stars"),
              R"({"type":"integer","minimum":1,"maximum":5})");
    EXPECT_EQ(at(document, course + "/required"),
              R"(["id","name","lessons","made","open","stars"])");
    EXPECT_EQ(at(document, "/components/schemas/Lesson/properties/minutes/type"),
              R"(["integer","null"])");
    EXPECT_EQ(at(document, "/components/securitySchemes/session/in"), R"("cookie")");
}

}  // namespace
}  // namespace loadstone::net
