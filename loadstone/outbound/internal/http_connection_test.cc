// Against a real server, tests/support/http_server.py.

#include "loadstone/outbound/http_connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "loadstone/base/error.h"
#include "loadstone/outbound/internal/testing.h"

namespace loadstone::outbound {
namespace {

using outbound::testing::HttpServerProcess;
using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::Not;

struct Asked {
    HttpAnswer answer;
    std::string body;
    std::optional<Error> error;
};

Asked ask(HttpConnection& connection, const std::string& url, std::string_view body = "",
          bool once = false, milliseconds timeout = milliseconds(20'000)) {
    Asked asked;
    HttpPost request;
    request.url = url;
    request.body = body;
    request.is_sent_once = once;
    request.timeout = timeout;
    auto take = [&](std::string_view bytes) { asked.body += bytes; };
    try {
        asked.answer = connection.post(request, take);
    } catch (const Error& error) {
        asked.error = error;
    }
    return asked;
}

TEST(HttpConnection, SendsABodyAndStreamsTheAnswer) {
    HttpServerProcess server;
    HttpConnection connection({});
    const std::string body(3'000'000, 'a');
    EXPECT_EQ(ask(connection, server.url("/echo"), body).body, body);
    EXPECT_EQ(ask(connection, server.url("/bytes?count=100000&chunked=1")).body.size(), 100'000U);
    EXPECT_EQ(ask(connection, server.url("/echo"), "").body, "");
    EXPECT_EQ(server.count("connections"), 1) << "it is kept";
}

TEST(HttpConnection, ARefusalIsNoAnswerToTheSink) {
    HttpServerProcess server;
    HttpConnection connection({});
    const Asked asked = ask(connection, server.url("/status?code=500"));
    EXPECT_EQ(asked.answer.status, 500);
    EXPECT_EQ(asked.answer.refusal, "as you wish");
    EXPECT_EQ(asked.body, "");
}

TEST(HttpConnection, WhatTheSinkThrowsComesBack) {
    HttpServerProcess server;
    HttpConnection connection({});
    HttpPost request;
    request.url = server.url("/trickle");
    auto refuse = [](std::string_view) { throw Error(Errc::resource_exhausted, "enough"); };
    try {
        connection.post(request, refuse);
        FAIL() << "it threw";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Errc::resource_exhausted);
    }
    EXPECT_EQ(ask(connection, server.url("/echo"), "next").body, "next");
}

// The server closes the kept connection instead of answering.
TEST(HttpConnection, OneThatIsSentOnceIsNotRepeatedUnseen) {
    HttpServerProcess server;
    HttpConnection connection({});
    ask(connection, server.url("/echo"), "first");
    EXPECT_EQ(ask(connection, server.url("/drop"), "x", true).error->code(), Errc::unavailable);
    EXPECT_EQ(server.count("requests"), 2);
    ask(connection, server.url("/echo"), "second");
    ask(connection, server.url("/drop"), "x");
    EXPECT_GT(server.count("requests"), 4) << "this is why";
}

TEST(HttpConnection, SaysWhetherItWasLateOrNotThere) {
    HttpServerProcess server;
    HttpConnection connection({});
    const Asked late = ask(connection, server.url("/slow?seconds=5"), "", false, milliseconds(200));
    ASSERT_TRUE(late.error);
    EXPECT_EQ(late.error->code(), Errc::deadline_exceeded);
    EXPECT_THAT(std::string(late.error->message()), HasSubstr(server.host()));
    EXPECT_THAT(std::string(late.error->message()), Not(HasSubstr("slow")));
    EXPECT_EQ(ask(connection, server.url("/drop?after=10")).error->code(), Errc::unavailable);
    EXPECT_EQ(ask(connection, "http://127.0.0.1:1/").error->code(), Errc::unavailable);
}

TEST(HttpConnection, EndsWhenItsOwnerStops) {
    HttpServerProcess server;
    const std::atomic<bool> stopping{true};
    HttpConnection connection({}, &stopping);
    EXPECT_EQ(ask(connection, server.url("/slow?seconds=20")).error->code(), Errc::cancelled);
}

TEST(UrlParts, AreDecodedAndNeverInAMessage) {
    const UrlParts parts = parts_of_url("http://ca%40mpus:se%27cret@db.example:8123/facts");
    EXPECT_EQ(parts.base, "http://db.example:8123");
    EXPECT_EQ(parts.authority, "db.example:8123");
    EXPECT_EQ(parts.user, "ca@mpus");
    EXPECT_EQ(parts.password, "se'cret");
    EXPECT_EQ(parts.path, "facts");
    EXPECT_EQ(parts_of_url("https://db.example").authority, "db.example:443");
    for (const char* wrong : {"ftp://u:secret@h/", "http://", "u:secret@h", "http://u:secret@h/?a",
                              "http://u:secret@h/#a", "http://u:sec ret@h/"}) {
        try {
            parts_of_url(wrong);
            ADD_FAILURE() << wrong;
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Errc::invalid_argument);
            EXPECT_THAT(std::string(error.message()), Not(HasSubstr("secret")));
        }
    }
    EXPECT_EQ(url_encoded("a b&ü'~"), "a%20b%26%C3%BC%27~");
}

}  // namespace
}  // namespace loadstone::outbound
