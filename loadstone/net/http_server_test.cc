// Requests over real sockets that go well, and what belongs to every answer.

#include "loadstone/net/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/describe.hpp>

#include "loadstone/net/internal/test_server.h"

namespace loadstone::net {

using internal::body_of;
using internal::field_of;
using internal::RawClient;
using internal::status_of_response;
using internal::TestServer;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

struct Greeting {
    std::string text;
};
BOOST_DESCRIBE_STRUCT(Greeting, (), (text))

namespace {

Task<Reply<Greeting>> hello(Context&) {
    Reply<Greeting> reply;
    reply.body.text = "hello";
    co_return reply;
}

Task<Response> echo(Context&, const Request& request) {
    std::string text(request.body());
    co_return text_response(std::move(text));
}

void declare(Routes& routes) {
    routes.get("/hello", hello).open_to_all();
    routes.post("/echo", echo).open_to_all().body_max(1'000'000);
}

TEST(HttpServer, AnswersWithTheHeadersOfEveryAnswer) {
    TestServer server(declare);
    const std::string response = server.exchange("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_THAT(response, StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_EQ(body_of(response), R"({"text":"hello"})");
    EXPECT_EQ(field_of(response, "Content-Type"), "application/json");
    EXPECT_EQ(field_of(response, "Content-Length"), "16");
    EXPECT_EQ(field_of(response, "Cache-Control"), "no-store");
    EXPECT_EQ(field_of(response, "X-Content-Type-Options"), "nosniff");
    EXPECT_THAT(field_of(response, "Date"), HasSubstr(" GMT"));
    EXPECT_EQ(field_of(response, "X-Request-Id").size(), 16u);
}

}  // namespace
}  // namespace loadstone::net
