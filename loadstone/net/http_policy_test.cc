// What is checked between a request's head and its handler, and how failures become answers.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/describe.hpp>
#include <stdexcept>

#include "loadstone/net/http_server.h"
#include "loadstone/net/internal/test_server.h"
#include "loadstone/net/session_cookie.h"
#include "loadstone/runtime/event.h"

namespace loadstone::net {

using internal::body_of;
using internal::field_of;
using internal::RawClient;
using internal::status_of_response;
using internal::TestServer;
using internal::wait_until;
using testing::HasSubstr;
using testing::Not;

struct Person {
    std::string name;
    int age = 0;
    std::optional<std::string> email;
};
BOOST_DESCRIBE_STRUCT(Person, (), (name, age, email))

void validate(Check& check, const Person& in) {
    check.length("name", in.name, 1, 5);
    check.range("age", in.age, 0, 150);
    if (in.email) check.email("email", *in.email);
}

struct Page {
    std::int64_t after = 0;
    std::optional<int> limit;
    std::vector<std::string> tags;
};
BOOST_DESCRIBE_STRUCT(Page, (), (after, limit, tags))

struct CourseTag;
using CourseId = Id<CourseTag>;

namespace {

struct Gate {
    runtime::Event entered;
    runtime::Event open;
};

Task<Reply<Person, 201>> create(Context&, Body<Person> in) {
    Reply<Person, 201> reply;
    reply.body = *in;
    co_return reply;
}

Task<Response> list(Context&, Path<CourseId> course, Path<std::string> part,
                    Parameters<Page> page) {
    co_return text_response(fmt::format("{} {} {} {} {}", course.value.value, part.value,
                                        page->after, page->limit.value_or(-1),
                                        fmt::join(page->tags, ",")));
}

Task<Response> me(Context& context) {
    co_return text_response(context.session() ? fmt::format("user {}", context.session()->user)
                                              : "nobody");
}

Task<Response> idempotency(Context& context, const Request&) {
    if (!context.idempotency()) co_return text_response("none");
    context.idempotency()->replayed = true;
    co_return text_response(context.idempotency()->scope_and_key + " " +
                            context.idempotency()->request_fingerprint);
}

Task<Response> fail(Context&, Path<std::string> how) {
    if (how.value == "foreign") throw std::runtime_error("the password is hunter2");
    if (how.value == "odd") throw 42;
    if (how.value == "header")
        co_return no_content().set_header("Location", "/a\r\nSet-Cookie: b=c");
    Errc code = Errc::internal;
    for (int i = 0; i <= static_cast<int>(Errc::internal); ++i) {
        if (to_string(static_cast<Errc>(i)) == how.value) code = static_cast<Errc>(i);
    }
    throw Error(code, "the message").with_retry_after(std::chrono::milliseconds(2500));
}

Task<Response> big_json(Context&) {
    Response response;
    response.body = "\"" + std::string(5000, 'x') + "\"";
    co_return response;
}

Task<Response> wait_at_gate(Context& context) {
    Gate& gate = context.services().get<Gate>();
    gate.entered.set();
    co_await gate.open.wait(context.deadline());
    co_return text_response("through");
}

Task<std::optional<runtime::Session>> resolve(Context&, std::string_view token) {
    if (token == "broken") throw Error(Errc::unavailable, "the database is down");
    std::optional<runtime::Session> session;
    if (token == "good") session = runtime::Session{.id = 1, .user = 7};
    if (token == "other") session = runtime::Session{.id = 2, .user = 8};
    co_return session;
}

void declare(Routes& routes) {
    routes.post("/people", create).open_to_all();
    routes.get("/courses/{course}/{part}", list).open_to_all();
    routes.get("/me", me);
    routes.post("/me", me);
    routes.get("/maybe", me).session_optional();
    routes.post("/once", idempotency).session_optional();
    routes.get("/fail/{how}", fail).open_to_all();
    routes.get("/limited", me).open_to_all().limit_per_address(2, std::chrono::seconds(60));
    routes.get("/big", big_json).open_to_all();
    routes.get("/gate", wait_at_gate).open_to_all();
}

struct Policy : testing::Test {
    TestServer server{declare, {}, 1, resolve};

    std::string get(std::string_view target, std::string_view fields = {}) const {
        return server.exchange(
            fmt::format("GET {} HTTP/1.1\r\nHost: example.org\r\n{}\r\n", target, fields));
    }
    std::string post(std::string_view target, std::string_view body,
                     std::string_view fields = {}) const {
        return server.exchange(
            fmt::format("POST {} HTTP/1.1\r\nHost: example.org\r\nContent-Length: {}\r\n{}\r\n{}",
                        target, body.size(), fields, body));
    }
    std::string post_json(std::string_view target, std::string_view body) const {
        return post(target, body, "Content-Type: application/json\r\n");
    }
};

TEST_F(Policy, ReadsAValidBody) {
    const std::string response = post_json("/people", R"({"name":"Ada","age":36})");
    EXPECT_EQ(status_of_response(response), 201);
    EXPECT_EQ(body_of(response), R"({"name":"Ada","age":36,"email":null})");
    EXPECT_EQ(status_of_response(post("/people", R"({"name":"Ada","age":36})",
                                      "Content-Type: Application/JSON; charset=utf-8\r\n")),
              201);
}

TEST_F(Policy, WantsJsonForBodies) {
    for (const std::string_view type :
         {"", "Content-Type: text/plain\r\n", "Content-Type: application/jsonx\r\n",
          "Content-Type: application/x-www-form-urlencoded\r\n"}) {
        EXPECT_EQ(status_of_response(post("/people", R"({"name":"Ada","age":36})", type)), 415)
            << type;
    }
}

TEST_F(Policy, TellsMalformedJsonFromWrongFields) {
    for (const std::string_view body :
         {"", "{", "{\"name\":}", "[]", "null", R"({"name":"Ada","age":3} x)", "\xff"}) {
        const std::string response = post_json("/people", body);
        EXPECT_EQ(status_of_response(response), 400) << body;
        EXPECT_EQ(field_of(response, "Content-Type"), "application/problem+json");
    }
    const std::string missing = post_json("/people", R"({"name":"Ada"})");
    EXPECT_EQ(status_of_response(missing), 422);
    EXPECT_THAT(body_of(missing), HasSubstr(R"("errors":[{"field":"age","message":)"));
    const std::string wrong = post_json("/people", R"({"name":5,"age":36})");
    EXPECT_EQ(status_of_response(wrong), 422);
    EXPECT_THAT(body_of(wrong), HasSubstr(R"("field":"name")"));
    EXPECT_EQ(status_of_response(post_json("/people", R"({"name":"Ada","age":36,"x":1})")), 422);
}

TEST_F(Policy, NamesEveryFieldThatFailsValidation) {
    const std::string response =
        post_json("/people", R"({"name":"Adalbert","age":-1,"email":"x"})");
    EXPECT_EQ(status_of_response(response), 422);
    const std::string body = body_of(response);
    EXPECT_THAT(body,
                HasSubstr(R"({"field":"name","message":"must have 1 to 5 characters, has 8"})"));
    EXPECT_THAT(body, HasSubstr(R"({"field":"age","message":"must be 0 to 150, is -1"})"));
    EXPECT_THAT(body, HasSubstr(R"({"field":"email",)"));
}

TEST_F(Policy, ReadsPathAndQuery) {
    EXPECT_EQ(body_of(get("/courses/12/a%20b%2Fc")), "12 a b%2Fc 0 -1 ");
    EXPECT_EQ(body_of(get("/courses/12/x?after=5&limit=3&tags=a+b&tags=%C3%A4")),
              "12 x 5 3 a b,\xc3\xa4");
    for (const std::string_view target :
         {"/courses/x/y", "/courses/1x/y", "/courses/99999999999999999999/y"}) {
        EXPECT_EQ(status_of_response(get(target)), 404) << target;
    }
    for (const std::string_view query :
         {"after=x", "after=", "limit=99999999999", "unknown=1", "after=1&after=2"}) {
        const std::string response = get(fmt::format("/courses/1/y?{}", query));
        EXPECT_EQ(status_of_response(response), 422) << query;
        EXPECT_THAT(body_of(response), HasSubstr("\"field\":")) << query;
    }
    for (const std::string_view query : {"after=%zz", "after=%2", "tags=%ff", "tags=%00"}) {
        EXPECT_EQ(status_of_response(get(fmt::format("/courses/1/y?{}", query))), 400) << query;
    }
}

TEST_F(Policy, ResolvesTheSessionOfTheCookie) {
    EXPECT_EQ(body_of(get("/me", "Cookie: a=b; session=good; c=d\r\n")), "user 7");
    for (const std::string_view cookie :
         {"", "Cookie: session=\r\n", "Cookie: session=bad\r\n", "Cookie: xsession=good\r\n",
          "Cookie: Session=good\r\n"}) {
        EXPECT_EQ(status_of_response(get("/me", cookie)), 401) << cookie;
        EXPECT_EQ(body_of(get("/maybe", cookie)), "nobody") << cookie;
    }
    EXPECT_EQ(body_of(get("/maybe", "Cookie: session=good\r\n")), "user 7");
    const std::string broken = get("/me", "Cookie: session=broken\r\n");
    EXPECT_EQ(status_of_response(broken), 503);
    EXPECT_EQ(field_of(broken, "Retry-After"), "1");
}

TEST_F(Policy, RefusesUnsafeRequestsOfOtherSitesWithTheCookie) {
    const std::string cookie = "Cookie: session=good\r\n";
    for (const std::string_view fields :
         {"Sec-Fetch-Site: cross-site\r\n", "Sec-Fetch-Site: same-site\r\n",
          "Sec-Fetch-Site: whatever\r\n", "Origin: https://evil.example\r\n", "Origin: null\r\n",
          "Origin: http://example.org:8080\r\n", "Origin: http://example.org.evil.example\r\n",
          "Origin: ftp://example.org\r\n",
          "Sec-Fetch-Site: same-origin\r\nOrigin: http://evil.example\r\n"}) {
        EXPECT_EQ(status_of_response(post("/me", "", cookie + std::string(fields))), 403) << fields;
        EXPECT_EQ(status_of_response(get("/me", cookie + std::string(fields))), 200) << fields;
        // Without the cookie a page can only make a session, and that only if it hides where it is.
        const bool says_where = fields.starts_with("Sec-Fetch-Site") &&
                                fields.find("same-origin") == std::string_view::npos;
        EXPECT_EQ(status_of_response(post("/me", "", fields)), says_where ? 403 : 401) << fields;
    }
    for (const std::string_view fields :
         {"", "Sec-Fetch-Site: same-origin\r\n", "Sec-Fetch-Site: none\r\n",
          "Origin: http://example.org\r\n", "Origin: https://EXAMPLE.org:443\r\n"}) {
        EXPECT_EQ(status_of_response(post("/me", "", cookie + std::string(fields))), 200) << fields;
    }
}

TEST_F(Policy, LimitsRequestsPerAddress) {
    const std::string first = get("/limited");
    EXPECT_EQ(status_of_response(first), 200);
    EXPECT_EQ(field_of(first, "RateLimit-Policy"), R"("address";q=2;w=60)");
    EXPECT_EQ(field_of(first, "RateLimit"), R"("address";r=1;t=30)");
    EXPECT_EQ(status_of_response(get("/limited")), 200);
    const std::string third = get("/limited");
    EXPECT_EQ(status_of_response(third), 429);
    EXPECT_EQ(field_of(third, "Retry-After"), "30");
    EXPECT_THAT(field_of(third, "RateLimit"), HasSubstr(R"("address";r=0;t=60)"));
    EXPECT_EQ(server.counted(R"(loadstone_http_limit_hits_total{limit="requests_per_address"})"),
              1u);

    HttpOptions options;
    options.rate_limits = false;
    TestServer unlimited(declare, options);
    for (int i = 0; i < 5; ++i) {
        const std::string response = unlimited.exchange("GET /limited HTTP/1.1\r\nHost: h\r\n\r\n");
        EXPECT_EQ(status_of_response(response), 200);
        EXPECT_EQ(field_of(response, "RateLimit"), "");
    }
}

TEST_F(Policy, HashesTheIdempotencyKeyWithItsScope) {
    const auto once = [this](std::string_view key, std::string_view body,
                             std::string_view fields = {}) {
        return post("/once", body, fmt::format("Idempotency-Key: {}\r\n{}", key, fields));
    };
    EXPECT_EQ(body_of(post("/once", "")), "none");
    const std::string first = body_of(once("k1", "a"));
    EXPECT_EQ(first.size(), 64u + 1 + 64);
    EXPECT_EQ(body_of(once("k1", "a")), first);
    EXPECT_EQ(body_of(once("\"k1\"", "a")), first);
    EXPECT_EQ(field_of(once("k1", "a"), "Idempotency-Replayed"), "true");
    // Another key is another scope and another fingerprint, which thus tells nothing of the body to
    // who does not know the key. Another user is another scope, another body another fingerprint.
    EXPECT_NE(body_of(once("k2", "a")).substr(65), first.substr(65));
    EXPECT_NE(body_of(once("k2", "a")).substr(0, 64), first.substr(0, 64));
    EXPECT_NE(body_of(once("k1", "a", "Cookie: session=good\r\n")).substr(0, 64),
              first.substr(0, 64));
    EXPECT_NE(body_of(once("k1", "a", "Cookie: session=good\r\n")),
              body_of(once("k1", "a", "Cookie: session=other\r\n")));
    EXPECT_EQ(body_of(once("k1", "b")).substr(0, 64), first.substr(0, 64));
    EXPECT_NE(body_of(once("k1", "b")).substr(65), first.substr(65));
    for (const std::string& key :
         {std::string(), std::string("\"\""), std::string("a b"), std::string("\"a"),
          std::string("\xc3\xa4"), std::string(256, 'k')}) {
        EXPECT_EQ(status_of_response(once(key, "a")), 400) << key;
    }
    EXPECT_EQ(status_of_response(once(std::string(255, 'k'), "a")), 200);
}

TEST_F(Policy, TurnsEveryErrorIntoAProblemWithItsStatus) {
    const std::vector<std::pair<std::string_view, int>> table{{"invalid_argument", 422},
                                                              {"unauthenticated", 401},
                                                              {"permission_denied", 403},
                                                              {"not_found", 404},
                                                              {"already_exists", 409},
                                                              {"conflict", 409},
                                                              {"resource_exhausted", 429},
                                                              {"deadline_exceeded", 504},
                                                              {"cancelled", 503},
                                                              {"unavailable", 503},
                                                              {"data_loss", 500},
                                                              {"internal", 500},
                                                              {"foreign", 500},
                                                              {"odd", 500},
                                                              {"header", 500}};
    for (const auto& [how, status] : table) {
        const std::string response = get(fmt::format("/fail/{}", how));
        EXPECT_EQ(status_of_response(response), status) << how;
        EXPECT_EQ(field_of(response, "Content-Type"), "application/problem+json") << how;
        EXPECT_THAT(body_of(response), HasSubstr(field_of(response, "X-Request-Id"))) << how;
        EXPECT_EQ(field_of(response, "Retry-After"), status == 503 || status == 429 ? "3" : "")
            << how;
        EXPECT_EQ(field_of(response, "Set-Cookie"), "") << how;
        if (status == 500) {
            EXPECT_THAT(body_of(response), Not(HasSubstr("the message"))) << how;
            EXPECT_THAT(body_of(response), Not(HasSubstr("hunter2"))) << how;
        }
    }
    EXPECT_EQ(server.counted(R"(loadstone_http_error_answers_total{status="5xx"})"), 8u);
}

TEST_F(Policy, CompressesLargeTextForThoseWhoAcceptIt) {
    for (const std::string_view accepted :
         {"gzip", "deflate, GZIP;q=0.5", "*", "br;q=1, *;q=0.1"}) {
        const std::string response = get("/big", fmt::format("Accept-Encoding: {}\r\n", accepted));
        EXPECT_EQ(field_of(response, "Content-Encoding"), "gzip") << accepted;
        EXPECT_LT(body_of(response).size(), 200u);
        EXPECT_EQ(body_of(response).substr(0, 2), "\x1f\x8b");
        EXPECT_EQ(field_of(response, "Vary"), "Accept-Encoding");
    }
    for (const std::string_view accepted :
         {"", "br", "gzip;q=0", "gzip;q=0.000, *", "identity", "*;q=0"}) {
        const std::string response = get("/big", fmt::format("Accept-Encoding: {}\r\n", accepted));
        EXPECT_EQ(field_of(response, "Content-Encoding"), "") << accepted;
        EXPECT_EQ(body_of(response).size(), 5002u) << accepted;
        EXPECT_EQ(field_of(response, "Vary"), "Accept-Encoding");
    }
    const std::string small = get("/maybe", "Accept-Encoding: gzip\r\n");
    EXPECT_EQ(field_of(small, "Content-Encoding"), "");
}

TEST(PolicyBulkhead, TurnsAwayWhatDoesNotFit) {
    Gate gate;
    telemetry::Registry registry;
    admission::BulkheadOptions options;
    options.name = "test";
    options.concurrency_max = 1;
    options.queue_max = 1;
    options.queue_wait_max = std::chrono::seconds(10);
    admission::Bulkhead bulkhead(options, registry);
    TestServer server(declare, {}, 1, {}, {{"test", &bulkhead}});
    server.services.add(gate);
    constexpr std::string_view request = "GET /gate HTTP/1.1\r\nHost: h\r\n\r\n";
    RawClient first = server.connect();
    first.send(request);
    ASSERT_TRUE(wait_until([&] { return gate.entered.is_set(); }));
    RawClient second = server.connect();
    second.send(request);
    ASSERT_TRUE(wait_until([&] { return bulkhead.queued() == 1; }));
    const std::string third = server.exchange(request);
    EXPECT_EQ(status_of_response(third), 503);
    EXPECT_NE(field_of(third, "Retry-After"), "");
    gate.open.set();
    EXPECT_EQ(body_of(first.receive()), "through");
    EXPECT_EQ(body_of(second.receive()), "through");
    EXPECT_TRUE(wait_until([&] { return bulkhead.in_use() == 0; }));
}

}  // namespace
}  // namespace loadstone::net
