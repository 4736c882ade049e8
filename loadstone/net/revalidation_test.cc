// Routes that are revalidated(): 304 for who has the answer already, and for nobody else.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "loadstone/base/error.h"
#include "loadstone/net/internal/test_server.h"

namespace loadstone::net {

struct Overview {
    std::int64_t user = 0;
    std::string text;
};
BOOST_DESCRIBE_STRUCT(Overview, (), (user, text))

namespace {

using internal::body_of;
using internal::field_of;
using internal::status_of_response;
using internal::TestServer;
using testing::HasSubstr;
using testing::Not;

int version = 0;  // of the answer; one test at a time changes it

Task<Reply<Overview>> own_overview(Context& context) {
    const std::int64_t user = context.require_session().user;
    if (user == 3) throw Error(Errc::permission_denied, "not yours");
    Reply<Overview> reply;
    reply.body.user = user;
    reply.body.text = std::string(2'000, static_cast<char>('a' + version));
    co_return reply;
}

// The same for all who may see it, and with a tag of the handler's own.
Task<Response> tagged(Context& context) {
    if (context.require_session().user == 3) throw Error(Errc::permission_denied, "not yours");
    Response response;
    response.body = "{}";
    response.set_header("ETag", "\"of-the-view\"");
    co_return response;
}

bool is_stale = false;  // the answer that follows; one test at a time changes it

Task<Response> tagged_and_perhaps_stale(Context& context) {
    if (is_stale) context.reading().gave_stale(std::chrono::seconds(2));
    Response response;
    response.body = "{}";
    response.set_header("ETag", "\"of-the-view\"");
    response.set_header("Cache-Control", "private, no-cache");
    co_return response;
}

Task<std::optional<runtime::Session>> session_of(Context&, std::string_view token) {
    std::optional<runtime::Session> session;
    if (token.size() == 1) session = runtime::Session{1, token.front() - '0'};
    co_return session;
}

void routes(Routes& routes) {
    routes.get("/overview", own_overview).revalidated();
    routes.post("/overview", own_overview).revalidated();
    routes.get("/tagged", tagged).revalidated();
    routes.get("/plain", own_overview);
    routes.get("/stale", tagged_and_perhaps_stale).revalidated();
}

struct Revalidation : testing::Test {
    Revalidation() {
        version = 0;
        is_stale = false;
    }

    std::string ask(std::string_view what, int user, std::string_view if_none_match = "",
                    std::string_view more = "") {
        std::string request(what);
        request += " HTTP/1.1\r\nHost: a\r\nCookie: session=" + std::to_string(user) + "\r\n";
        if (!if_none_match.empty())
            request += "If-None-Match: " + std::string(if_none_match) + "\r\n";
        request += std::string(more) + "Connection: close\r\n\r\n";
        auto client = server.connect();
        client.send(request);
        return client.receive_all();
    }

    TestServer server{routes, {}, 1, session_of};
};

void expect_not_modified(const std::string& answer, const std::string& tag) {
    EXPECT_EQ(status_of_response(answer), 304);
    EXPECT_EQ(field_of(answer, "ETag"), tag);
    EXPECT_EQ(field_of(answer, "Cache-Control"), "private, no-cache");
    EXPECT_THAT(answer, HasSubstr("\r\nVary: Cookie\r\n"));
    EXPECT_EQ(field_of(answer, "Content-Length"), "");
    EXPECT_TRUE(answer.ends_with("\r\n\r\n")) << "no body";
}

TEST_F(Revalidation, WhoHasTheAnswerIsNotSentItAgain) {
    const std::string first = ask("GET /overview", 1);
    EXPECT_EQ(status_of_response(first), 200);
    EXPECT_EQ(field_of(first, "Cache-Control"), "private, no-cache");
    EXPECT_THAT(first, HasSubstr("\r\nVary: Cookie\r\n"));
    EXPECT_THAT(first, HasSubstr("\r\nVary: Accept-Encoding\r\n"));
    const std::string tag = field_of(first, "ETag");
    ASSERT_TRUE(tag.starts_with("W/\""));
    for (const std::string& names : {tag, tag.substr(2), "\"a\", " + tag,
                                     "\"a\" , W/\"b\"," + tag + ", \"c\"", std::string("*")}) {
        expect_not_modified(ask("GET /overview", 1, names), tag);
        expect_not_modified(ask("HEAD /overview", 1, names), tag);
        EXPECT_THAT(ask("GET /overview", 1, names), HasSubstr("\r\nVary: Accept-Encoding\r\n"));
    }
    EXPECT_EQ(server.counted("loadstone_http_not_modified_total"), 15U);
    for (const auto* names : {"\"a\"", "\"a\", W/\"b\"", "what is no tag"})
        EXPECT_EQ(status_of_response(ask("GET /overview", 1, names)), 200) << names;
}

TEST_F(Revalidation, AnAnswerThatHasChangedIsSent) {
    const std::string tag = field_of(ask("GET /overview", 1), "ETag");
    version = 1;
    const std::string now = ask("GET /overview", 1, tag);
    EXPECT_EQ(status_of_response(now), 200);
    EXPECT_NE(field_of(now, "ETag"), tag);
    EXPECT_THAT(body_of(now), HasSubstr("bbbb"));
}

TEST_F(Revalidation, AnothersAnswerIsNeverConfirmed) {
    const std::string tag = field_of(ask("GET /overview", 1), "ETag");
    const std::string others = ask("GET /overview", 2, tag);
    EXPECT_EQ(status_of_response(others), 200) << "what they would see is another";
    EXPECT_THAT(body_of(others), HasSubstr("\"user\":2"));
    for (const auto* what : {"GET /overview", "GET /tagged"}) {
        for (const std::string& names : {tag, std::string("\"of-the-view\""), std::string("*")}) {
            const std::string refused = ask(what, 3, names);
            EXPECT_EQ(status_of_response(refused), 403) << what << names;
            EXPECT_EQ(field_of(refused, "ETag"), "");
            auto client = server.connect();
            client.send(std::string(what) + " HTTP/1.1\r\nHost: a\r\nIf-None-Match: " + names +
                        "\r\n\r\n");
            EXPECT_EQ(status_of_response(client.receive()), 401);
        }
    }
}

TEST_F(Revalidation, TheHandlersOwnTagIsUsed) {
    EXPECT_EQ(field_of(ask("GET /tagged", 1), "ETag"), "W/\"of-the-view\"");
    expect_not_modified(ask("GET /tagged", 2, "\"of-the-view\""), "W/\"of-the-view\"");
}

TEST_F(Revalidation, TheTagIsTheSameWhetherCompressedOrNot) {
    const std::string zipped = ask("GET /overview", 1, "", "Accept-Encoding: gzip\r\n");
    EXPECT_EQ(field_of(zipped, "Content-Encoding"), "gzip");
    EXPECT_EQ(field_of(zipped, "ETag"), field_of(ask("GET /overview", 1), "ETag"));
    expect_not_modified(
        ask("GET /overview", 1, field_of(zipped, "ETag"), "Accept-Encoding: gzip\r\n"),
        field_of(zipped, "ETag"));
}

TEST_F(Revalidation, OthersAreAnsweredAsEver) {
    const std::string plain = ask("GET /plain", 1, "*");
    EXPECT_EQ(status_of_response(plain), 200);
    EXPECT_EQ(field_of(plain, "ETag"), "");
    EXPECT_EQ(field_of(plain, "Cache-Control"), "no-store");
    EXPECT_EQ(status_of_response(ask("POST /overview", 1, "*")), 200);
}

// A cache keeps the fields that a 304 does not replace, the mark among them.
TEST_F(Revalidation, WhatIsStaleIsNotKept) {
    const std::string tag = field_of(ask("GET /stale", 1), "ETag");
    EXPECT_EQ(tag, "W/\"of-the-view\"");
    is_stale = true;
    for (const std::string_view what : {"GET /stale", "HEAD /stale"}) {
        const std::string answer = ask(what, 1, tag);
        EXPECT_EQ(status_of_response(answer), 200);
        EXPECT_EQ(field_of(answer, "Loadstone-Stale"), "2.0");
        EXPECT_EQ(field_of(answer, "ETag"), "");
        EXPECT_EQ(field_of(answer, "Cache-Control"), "no-store");
    }
    is_stale = false;
    EXPECT_EQ(status_of_response(ask("GET /stale", 1, tag)), 304);
}

}  // namespace
}  // namespace loadstone::net
