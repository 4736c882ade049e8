// Against a real server, tests/support/http_server.py.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <optional>

#include "loadstone/base/error.h"
#include "loadstone/base/timestamp.h"
#include "loadstone/outbound/http.h"
#include "loadstone/outbound/internal/testing.h"
#include "loadstone/runtime/loops.h"
#include "loadstone/runtime/task_scope.h"
#include "loadstone/runtime/testing.h"

namespace loadstone::outbound {
namespace {

using outbound::testing::HttpServerProcess;
using outbound::testing::TempFolder;
using runtime::testing::wait_until;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;

// One request whose context the test holds.
struct Asked {
    Asked(HttpClient& client, runtime::Loops& loops, HttpRequest request,
          Deadline deadline = Deadline::in(seconds(20)))
        : context(services, deadline) {
        scope.spawn(loops.executor(0), run(&client, &context, std::move(request), this));
    }
    ~Asked() { finish(); }
    void finish() {
        if (!scope.join_blocking(Deadline::in(runtime::testing::patience))) std::terminate();
    }

    static Task<void> run(HttpClient* client, Context* context, HttpRequest request, Asked* asked) {
        try {
            asked->response = co_await client->get(*context, std::move(request));
        } catch (const Error& thrown) {
            asked->error = thrown;
        }
    }

    const runtime::Services services;
    Context context;
    std::optional<HttpResponse> response;
    std::optional<Error> error;
    runtime::TaskScope scope{"asked"};
};

struct HttpClients : ::testing::Test {
    HttpClients() { loops.start(); }

    HttpClient& client() {
        if (!opened) opened = std::make_unique<HttpClient>(options, registry);
        return *opened;
    }
    HttpResponse get(const std::string& url, std::size_t body_bytes_max = 1'000'000) {
        HttpRequest request;
        request.url = url;
        request.body_bytes_max = body_bytes_max;
        return get(std::move(request));
    }
    HttpResponse get(HttpRequest request) {
        Asked asked(client(), loops, std::move(request));
        asked.finish();
        if (asked.error) throw Error(*asked.error);
        return *asked.response;
    }
    Error error_of(const std::string& url, std::size_t body_bytes_max = 1'000'000,
                   Deadline deadline = Deadline::in(seconds(20))) {
        HttpRequest request;
        request.url = url;
        request.body_bytes_max = body_bytes_max;
        Asked asked(client(), loops, std::move(request), deadline);
        asked.finish();
        return asked.error.value_or(Error(Errc::internal, "it was answered"));
    }

    telemetry::Registry registry;
    runtime::Loops loops{runtime::LoopsOptions{.threads = 2}, registry};
    HttpClientOptions options;
    std::unique_ptr<HttpClient> opened;
};

TEST(AuthorityOfUrl, NamesHostAndPortOrSaysWhatIsWrong) {
    EXPECT_EQ(authority_of_url("http://example.org"), "example.org:80");
    EXPECT_EQ(authority_of_url("https://example.org/a?b=c"), "example.org:443");
    EXPECT_EQ(authority_of_url("http://[::1]:8080/"), "[::1]:8080");
    for (const char* wrong :
         {"", "example.org", "ftp://example.org/", "file:///etc/passwd", "http://", "http://a b/",
          "http://example.org/\r\nX: y", "http://user@example.org/", "http://:secret@example.org/",
          "http://example.org/#part", "http://example.org:99999/"}) {
        try {
            authority_of_url(wrong);
            ADD_FAILURE() << wrong;
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Errc::invalid_argument) << wrong;
            EXPECT_THAT(error.message(), Not(HasSubstr("secret")));
        }
    }
    const std::string longest = "http://example.org/" + std::string(8 * 1024 - 19, 'x');
    EXPECT_EQ(authority_of_url(longest), "example.org:80");
    EXPECT_THROW(authority_of_url(longest + "x"), Error);
}

TEST_F(HttpClients, GiveStatusTypeAndBody) {
    HttpServerProcess server;
    const HttpResponse response = get(server.url("/bytes?count=5"));
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.content_type, "text/plain; charset=utf-8");
    EXPECT_EQ(response.body, "xxxxx");
    EXPECT_FALSE(response.retry_after);
    EXPECT_EQ(get(server.url("/bytes?count=2500&chunked=1")).body.size(), 2500U);
    EXPECT_EQ(get(server.url("/nowhere")).status, 404);
    EXPECT_EQ(server.count("requests"), 3);
    EXPECT_EQ(server.count("connections"), 1) << "it is kept";
}

TEST_F(HttpClients, SendTheHeadersOfTheRequestAndNothingOfTheEnvironment) {
    HttpServerProcess server;
    ::setenv("http_proxy", "http://127.0.0.1:1", 1);
    HttpRequest request;
    request.url = server.url("/headers");
    request.headers = {
        {"Accept", "application/json"}, {"Authorization", "Bearer x"}, {"X-Empty", ""}};
    const std::string body = get(request).body;
    ::unsetenv("http_proxy");
    EXPECT_THAT(body, HasSubstr("\"accept\": \"application/json\""));
    EXPECT_THAT(body, HasSubstr("\"authorization\": \"Bearer x\""));
    EXPECT_THAT(body, HasSubstr("\"x-empty\": \"\""));
    EXPECT_THAT(body, HasSubstr("\"user-agent\": \"Loadstone\""));
    EXPECT_THAT(body, HasSubstr("\"host\": \"" + server.host() + "\""));
    for (const auto& [name, value] : {std::pair("X", "a\r\nY: b"), std::pair("X Y", "a"),
                                      std::pair("X:", "a"), std::pair("", "a")}) {
        request.headers = {{name, value}};
        EXPECT_THROW(get(request), Error) << name;
    }
}

TEST_F(HttpClients, FollowNoRedirect) {
    HttpServerProcess server;
    const auto response = get(server.url("/status?code=302&location=/bytes?count=1"));
    EXPECT_EQ(response.status, 302);
    EXPECT_EQ(server.count("requests"), 1);
}

TEST_F(HttpClients, ReadRetryAfterInSecondsAndAsATime) {
    HttpServerProcess server;
    const auto retry_after = [&](const std::string& text) {
        return get(server.url("/status?code=429&retry_after=" + text)).retry_after;
    };
    EXPECT_EQ(retry_after("7"), seconds(7));
    EXPECT_EQ(retry_after("0"), seconds(0));
    EXPECT_EQ(retry_after("999999999"), std::chrono::hours(24));
    EXPECT_EQ(retry_after("soon"), seconds(0));
    EXPECT_EQ(retry_after("Sun,+06+Nov+1994+08:49:37+GMT"), seconds(0)) << "it has passed";
    std::string time = to_http_date(Timestamp::now() + seconds(100));
    std::replace(time.begin(), time.end(), ' ', '+');
    const auto later = retry_after(time);
    ASSERT_TRUE(later);
    EXPECT_GE(*later, seconds(97));
    EXPECT_LE(*later, seconds(100));
    EXPECT_FALSE(get(server.url("/status?code=503")).retry_after);
}

TEST_F(HttpClients, TakeNoMoreThanTheRequestAllows) {
    HttpServerProcess server;
    for (const char* const how : {"", "&chunked=1"}) {
        EXPECT_EQ(get(server.url(std::string("/bytes?count=4999") + how), 5000).body.size(), 4999U);
        EXPECT_EQ(get(server.url(std::string("/bytes?count=5000") + how), 5000).body.size(), 5000U);
        const Error error = error_of(server.url(std::string("/bytes?count=5001") + how), 5000);
        EXPECT_EQ(error.code(), Errc::resource_exhausted);
        EXPECT_EQ(error.message(), server.host() + ": the answer is larger than 5000 bytes");
    }
    EXPECT_EQ(get(server.url("/large-header?bytes=60000")).status, 200);
    EXPECT_EQ(error_of(server.url("/large-header?bytes=70000")).code(), Errc::resource_exhausted);
}

TEST_F(HttpClients, SayWhyThereIsNoAnswer) {
    HttpServerProcess server;
    for (const char* const path : {"/drop", "/drop?after=10"}) {
        const Error error = error_of(server.url(path));
        EXPECT_EQ(error.code(), Errc::unavailable) << path;
        EXPECT_THAT(error.message(), HasSubstr(server.host() + ": "));
    }
    const Error refused = error_of("http://127.0.0.1:1/?token=secret");
    EXPECT_EQ(refused.code(), Errc::unavailable);
    EXPECT_THAT(refused.message(), HasSubstr("127.0.0.1:1: Failed to connect"));
    EXPECT_THAT(refused.message(), Not(HasSubstr("secret")));
    EXPECT_EQ(error_of("http://nowhere.invalid/").code(), Errc::unavailable);
    EXPECT_EQ(error_of("ftp://127.0.0.1/").code(), Errc::invalid_argument);
    const std::string all = registry.prometheus();
    EXPECT_THAT(all, HasSubstr("loadstone_http_client_total{outcome=\"failed\"} 4"));
    EXPECT_THAT(all, HasSubstr("loadstone_http_client_in_flight 0"));
}

TEST_F(HttpClients, EndAtTheDeadlineOfTheContextAndAtTheirOwn) {
    HttpServerProcess server;
    for (const char* const path : {"/slow?seconds=20", "/trickle"}) {
        const auto began = Deadline::Clock::now();
        const Error error = error_of(server.url(path), 1000, Deadline::in(milliseconds(300)));
        EXPECT_EQ(error.code(), Errc::deadline_exceeded) << path;
        EXPECT_LT(Deadline::Clock::now() - began, seconds(3));
    }
    const Error passed =
        error_of(server.url("/bytes?count=1"), 1000, Deadline::in(milliseconds(0)));
    EXPECT_EQ(passed.code(), Errc::deadline_exceeded);
    opened.reset();
    options.transfer_timeout = milliseconds(300);
    const Error error = error_of(server.url("/trickle"));
    EXPECT_EQ(error.code(), Errc::unavailable);
    EXPECT_EQ(error.message(), server.host() + ": no whole answer within 300 ms");
}

TEST_F(HttpClients, EndSoonAfterTheContextIsCancelled) {
    HttpServerProcess server;
    HttpRequest request;
    request.url = server.url("/trickle");
    Asked asked(client(), loops, request);
    ASSERT_TRUE(wait_until([&] { return server.count("requests") == 1; }));
    asked.context.cancel();
    const auto began = Deadline::Clock::now();
    asked.finish();
    EXPECT_LT(Deadline::Clock::now() - began, seconds(3));
    ASSERT_TRUE(asked.error);
    EXPECT_EQ(asked.error->code(), Errc::cancelled);
    EXPECT_TRUE(wait_until([&] { return server.count("open") == 0; }))
        << "the connection is closed";
}

TEST_F(HttpClients, AskNoMoreAtOnceThanTheyMay) {
    HttpServerProcess server;
    options.transfers_max = 2;
    HttpRequest request;
    request.url = server.url("/slow?seconds=0.3");
    std::vector<std::unique_ptr<Asked>> all;
    for (int i = 0; i < 6; ++i) all.push_back(std::make_unique<Asked>(client(), loops, request));
    HttpRequest hurried = request;
    Asked late(client(), loops, hurried, Deadline::in(milliseconds(100)));
    late.finish();
    ASSERT_TRUE(late.error);
    EXPECT_EQ(late.error->code(), Errc::unavailable);
    EXPECT_TRUE(late.error->retry_after());
    for (const auto& each : all) {
        each->finish();
        EXPECT_TRUE(each->response) << each->error->message();
    }
    EXPECT_EQ(server.count("requests"), 6);
    EXPECT_LE(server.count("connections"), 2);
}

TEST_F(HttpClients, StopWhatIsUnderWay) {
    HttpServerProcess server;
    HttpRequest request;
    request.url = server.url("/trickle");
    Asked asked(client(), loops, request);
    ASSERT_TRUE(wait_until([&] { return server.count("requests") == 1; }));
    client().stop();
    asked.finish();
    ASSERT_TRUE(asked.error);
    EXPECT_EQ(asked.error->code(), Errc::unavailable);
    EXPECT_EQ(error_of(server.url("/bytes?count=1")).code(), Errc::unavailable);
}

TEST_F(HttpClients, AskWhoAnswersOverTls) {
    const TempFolder folder;
    HttpServerProcess server({"--tls-self-signed", folder.path()});
    const Error stranger = error_of(server.url("/bytes?count=1", "https"));
    EXPECT_EQ(stranger.code(), Errc::unavailable);
    EXPECT_THAT(stranger.message(), HasSubstr("certificate"));
    opened.reset();
    options.tls_ca_file = folder.path() + "/cert.pem";
    EXPECT_EQ(get(server.url("/bytes?count=3", "https")).body, "xxx");
}

}  // namespace
}  // namespace loadstone::outbound
