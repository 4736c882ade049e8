// Requests over real sockets: what every answer has, how connections live and end.

#include "loadstone/net/http_server.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/describe.hpp>

#include "loadstone/net/internal/test_server.h"
#include "loadstone/runtime/event.h"
#include "loadstone/telemetry/thread_usage.h"

namespace loadstone::net {

using internal::body_of;
using internal::field_of;
using internal::RawClient;
using internal::status_of_response;
using internal::TestServer;
using internal::wait_until;
using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::StartsWith;

struct Hello {
    std::string text;
};
BOOST_DESCRIBE_STRUCT(Hello, (), (text))

namespace {

// What a handler of a test waits at.
struct Gate {
    runtime::Event entered;
    runtime::Event open;
};

Task<Reply<Hello>> hello(Context&) {
    Reply<Hello> reply;
    reply.body.text = "hello";
    co_return reply;
}

Task<Response> echo(Context&, const Request& request) {
    std::string text(request.body());
    co_return text_response(std::move(text));
}

Task<Response> large(Context&) { co_return text_response(std::string(8 * 1024 * 1024, 'x')); }

Task<Response> wait_at_gate(Context& context) {
    Gate& gate = context.services().get<Gate>();
    gate.entered.set();
    const bool is_open = co_await gate.open.wait(context.deadline());
    if (!is_open) context.throw_if_done("the gate");
    co_return text_response("through");
}

void declare(Routes& routes) {
    routes.get("/hello", hello).open_to_all();
    routes.post("/echo", echo).open_to_all().body_max(1'000'000);
    routes.get("/large", large).open_to_all();
    routes.get("/gate", wait_at_gate).open_to_all();
    routes.get("/hasty", wait_at_gate).open_to_all().within(milliseconds(50));
}

constexpr std::string_view get_hello = "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n";

TEST(HttpServer, AnswersWithTheHeadersOfEveryAnswer) {
    TestServer server(declare);
    const std::string response = server.exchange(get_hello);
    EXPECT_THAT(response, StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_EQ(body_of(response), R"({"text":"hello"})");
    EXPECT_EQ(field_of(response, "Content-Type"), "application/json");
    EXPECT_EQ(field_of(response, "Content-Length"), "16");
    EXPECT_EQ(field_of(response, "Cache-Control"), "no-store");
    EXPECT_EQ(field_of(response, "X-Content-Type-Options"), "nosniff");
    EXPECT_THAT(field_of(response, "Date"), HasSubstr(" GMT"));
    EXPECT_EQ(field_of(response, "X-Request-Id").size(), 16u);
}

TEST(HttpServer, GivesBackASaneRequestIdAndReplacesAnother) {
    TestServer server(declare);
    RawClient client = server.connect();
    client.send("GET /hello HTTP/1.1\r\nHost: h\r\nX-Request-Id: abc-1.2_Z\r\n\r\n");
    EXPECT_EQ(field_of(client.receive(), "X-Request-Id"), "abc-1.2_Z");
    client.send(fmt::format("GET /hello HTTP/1.1\r\nHost: h\r\nX-Request-Id: {}\r\n\r\n",
                            std::string(65, 'a')));
    EXPECT_EQ(field_of(client.receive(), "X-Request-Id").size(), 16u);
    client.send("GET /hello HTTP/1.1\r\nHost: h\r\nX-Request-Id: a b\r\n\r\n");
    EXPECT_EQ(field_of(client.receive(), "X-Request-Id").size(), 16u);
}

TEST(HttpServer, AnswersPipelinedRequestsInOrder) {
    TestServer server(declare);
    RawClient client = server.connect();
    std::string requests;
    for (int i = 0; i < 1000; ++i) {
        const std::string text = fmt::format("request {}", i);
        requests +=
            i % 2 == 0
                ? fmt::format("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{}",
                              text.size(), text)
                : fmt::format(
                      "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                      "{:x}\r\n{}\r\n0\r\n\r\n",
                      text.size(), text);
    }
    client.send(requests);
    for (int i = 0; i < 1000; ++i)
        ASSERT_EQ(body_of(client.receive()), fmt::format("request {}", i));
}

TEST(HttpServer, ReadsARequestThatComesByteByByte) {
    TestServer server(declare);
    RawClient client = server.connect();
    const std::string text =
        "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
        "chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n";
    for (const char c : text) client.send({&c, 1});
    EXPECT_EQ(body_of(client.receive()), "abcd");
}

TEST(HttpServer, ReadsBodiesOfAnySizeUpToTheLimit) {
    TestServer server(declare);
    RawClient client = server.connect();
    for (const std::size_t size : {1u, 4000u, 4096u, 5000u, 20'000u, 65'536u, 1'000'000u}) {
        std::string body(size, 'a');
        for (std::size_t i = 0; i < size; ++i) body[i] = static_cast<char>('a' + i * 7 % 26);
        client.send(
            fmt::format("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", size));
        client.send(body);
        ASSERT_TRUE(body_of(client.receive()) == body) << size;
        client.send("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
        client.send(fmt::format("1\r\n{}\r\n", body[0]));
        if (size > 1) client.send(fmt::format("{:X}\r\n{}\r\n", size - 1, body.substr(1)));
        client.send("0\r\n\r\n");
        ASSERT_TRUE(body_of(client.receive()) == body) << size;
    }
}

TEST(HttpServer, AnswersHeadWithTheLengthOfGetAndNoBody) {
    TestServer server(declare);
    RawClient client = server.connect();
    client.send("HEAD /hello HTTP/1.1\r\nHost: h\r\n\r\n");
    const std::string head = client.receive(true);
    EXPECT_EQ(field_of(head, "Content-Length"), "16");
    client.send("HEAD /nothing HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_EQ(status_of_response(client.receive(true)), 404);
    client.send(get_hello);
    EXPECT_THAT(client.receive(), StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST(HttpServer, NamesTheAllowedMethods) {
    TestServer server(declare);
    const std::string response = server.exchange("PUT /hello HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_EQ(status_of_response(response), 405);
    EXPECT_EQ(field_of(response, "Allow"), "GET, HEAD, OPTIONS");
    const std::string options = server.exchange("OPTIONS /echo HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_EQ(status_of_response(options), 204);
    EXPECT_EQ(field_of(options, "Allow"), "POST, OPTIONS");
    EXPECT_EQ(field_of(options, "Content-Length"), "");
}

TEST(HttpServer, ClosesAfterHttp10UnlessAsked) {
    TestServer server(declare);
    RawClient client = server.connect();
    client.send("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_EQ(field_of(client.receive(), "Connection"), "keep-alive");
    client.send("GET /hello HTTP/1.0\r\n\r\n");
    EXPECT_EQ(field_of(client.receive(), "Connection"), "close");
    EXPECT_TRUE(client.is_closed());
}

TEST(HttpServer, ClosesWhenTheClientAsksAndIgnoresWhatFollows) {
    TestServer server(declare);
    RawClient client = server.connect();
    client.send(
        fmt::format("GET /hello HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n{}", get_hello));
    const std::string all = client.receive_all();
    EXPECT_EQ(field_of(all, "Connection"), "close");
    EXPECT_EQ(all.find("HTTP/1.1", 1), std::string::npos);
}

TEST(HttpServer, ClosesAfterTheLastRequestOfAConnection) {
    HttpOptions options;
    options.limits.requests_per_connection_max = 3;
    TestServer server(declare, options);
    RawClient client = server.connect();
    for (const std::string_view connection : {"", "", "close"}) {
        client.send(get_hello);
        EXPECT_EQ(field_of(client.receive(), "Connection"), connection);
    }
    EXPECT_TRUE(client.is_closed());
    EXPECT_EQ(server.counted(R"(loadstone_http_limit_hits_total{limit="requests_per_connection"})"),
              1u);
}

TEST(HttpServer, SendsContinueOnlyIfTheBodyIsWanted) {
    TestServer server(declare);
    RawClient client = server.connect();
    client.send(
        "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    EXPECT_EQ(client.receive(), "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("abc");
    EXPECT_EQ(body_of(client.receive()), "abc");
    // Here already: nothing to wait for.
    client.send(
        "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc");
    EXPECT_EQ(status_of_response(client.receive()), 200);
    client.send(
        "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: "
        "1000001\r\n\r\n");
    EXPECT_EQ(status_of_response(client.receive_all()), 413);
    EXPECT_EQ(status_of_response(server.exchange("POST /nothing HTTP/1.1\r\nHost: h\r\nExpect: "
                                                 "100-continue\r\nContent-Length: 3\r\n\r\n")),
              404);
}

TEST(HttpServer, LetsAClientReadTheRefusalOfABodyThatItStillSends) {
    TestServer server(declare);
    RawClient client = server.connect();
    client.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1000001\r\n\r\n");
    client.send(std::string(200'000, 'x'));
    client.shutdown_send();
    EXPECT_EQ(status_of_response(client.receive_all()), 413);
    EXPECT_EQ(server.counted(R"(loadstone_http_limit_hits_total{limit="body_bytes"})"), 1u);
}

HttpOptions hasty() {
    HttpOptions options;
    options.limits.header_timeout = options.limits.body_timeout = options.limits.write_timeout =
        options.limits.idle_timeout = milliseconds(100);
    return options;
}

TEST(HttpServer, EndsASlowHeaderEvenIfBytesKeepComing) {
    TestServer server(declare, hasty());
    RawClient client = server.connect();
    client.send("GET /hello HTTP/1.1\r\n");
    const auto sent_until_closed = [&] {
        client.send("X");
        return server.counted(R"(loadstone_http_limit_hits_total{limit="header_timeout"})") == 1;
    };
    EXPECT_TRUE(wait_until(sent_until_closed));
    EXPECT_EQ(status_of_response(client.receive_all()), 408);
}

TEST(HttpServer, EndsASlowBody) {
    TestServer server(declare, hasty());
    RawClient client = server.connect();
    client.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nab");
    EXPECT_EQ(status_of_response(client.receive_all()), 408);
    EXPECT_EQ(server.counted(R"(loadstone_http_limit_hits_total{limit="body_timeout"})"), 1u);
    RawClient other = server.connect();
    other.send("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab");
    EXPECT_EQ(status_of_response(other.receive_all()), 408);
}

TEST(HttpServer, ClosesIdleConnectionsWithoutAWord) {
    TestServer server(declare, hasty());
    RawClient fresh = server.connect();
    RawClient used = server.connect();
    used.send(get_hello);
    EXPECT_EQ(status_of_response(used.receive()), 200);
    EXPECT_TRUE(fresh.is_closed());
    EXPECT_TRUE(used.is_closed());
    EXPECT_EQ(server.counted(R"(loadstone_http_limit_hits_total{limit="idle_timeout"})"), 2u);
}

TEST(HttpServer, EndsAConnectionWhoseClientDoesNotRead) {
    TestServer server(declare, hasty());
    RawClient client = server.connect();
    client.shrink_window();
    client.send("GET /large HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_TRUE(wait_until([&] {
        return server.counted(R"(loadstone_http_limit_hits_total{limit="write_timeout"})") == 1;
    }));
    EXPECT_TRUE(wait_until([&] { return server.counted("loadstone_http_connections") == 0; }));
    EXPECT_LT(client.receive_all().size(), 8u * 1024 * 1024);
}

TEST(HttpServer, SendsALargeBodyWhole) {
    TestServer server(declare);
    EXPECT_EQ(body_of(server.exchange("GET /large HTTP/1.1\r\nHost: h\r\n\r\n")).size(),
              8u * 1024 * 1024);
}

TEST(HttpServer, BoundsConnectionsInAllAndPerAddress) {
    HttpOptions options;
    options.limits.connections_max = 2;
    TestServer server(declare, options);
    {
        RawClient first = server.connect();
        RawClient second = server.connect();
        first.send(get_hello);
        second.send(get_hello);
        EXPECT_EQ(status_of_response(first.receive()), 200);
        EXPECT_EQ(status_of_response(second.receive()), 200);
        RawClient third = server.connect();
        EXPECT_TRUE(third.is_closed());
        EXPECT_EQ(server.counted(R"(loadstone_http_limit_hits_total{limit="connections"})"), 1u);
    }
    EXPECT_TRUE(wait_until([&] { return server.counted("loadstone_http_connections") == 0; }));
    EXPECT_EQ(status_of_response(server.exchange(get_hello)), 200);

    options.limits.connections_per_address_max = 1;
    TestServer other(declare, options);
    RawClient first = other.connect();
    first.send(get_hello);
    EXPECT_EQ(status_of_response(first.receive()), 200);
    RawClient second = other.connect();
    EXPECT_TRUE(second.is_closed());
    EXPECT_EQ(other.counted(R"(loadstone_http_limit_hits_total{limit="connections_per_address"})"),
              1u);
}

TEST(HttpServer, DrainsWhatIsUnderWayAndClosesWhatIsIdle) {
    Gate gate;
    TestServer server(declare);
    server.services.add(gate);
    RawClient idle = server.connect();
    idle.send(get_hello);
    EXPECT_EQ(status_of_response(idle.receive()), 200);
    RawClient busy = server.connect();
    busy.send("GET /gate HTTP/1.1\r\nHost: h\r\n\r\n");
    ASSERT_TRUE(wait_until([&] { return gate.entered.is_set(); }));

    bool ended = false;
    std::thread stop([&] { ended = server.server->drain(Deadline::in(std::chrono::seconds(30))); });
    EXPECT_TRUE(idle.is_closed());
    EXPECT_THROW(server.connect(), std::runtime_error);
    gate.open.set();
    const std::string response = busy.receive_all();
    EXPECT_EQ(body_of(response), "through");
    EXPECT_EQ(field_of(response, "Connection"), "close");
    stop.join();
    EXPECT_TRUE(ended);
}

TEST(HttpServer, AClientThatStallsDoesNotHoldUpAStop) {
    TestServer server(declare);
    RawClient header = server.connect();
    header.send("GET /hel");
    RawClient body = server.connect();
    body.send(
        "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
        "Content-Length: 100\r\n\r\n{");
    ASSERT_TRUE(wait_until([&] { return server.counted("loadstone_http_connections") == 2; }));
    // Its own limits are 10 and 30 s.
    EXPECT_TRUE(server.server->drain(Deadline::in(std::chrono::seconds(9))));
}

TEST(HttpServer, EndsWhatStillRunsWhenItIsDestroyed) {
    Gate gate;
    TestServer server(declare);
    server.services.add(gate);
    RawClient idle = server.connect();
    RawClient half = server.connect();
    half.send("GET /hel");
    RawClient busy = server.connect();
    busy.send("GET /hasty HTTP/1.1\r\nHost: h\r\n\r\n");
    ASSERT_TRUE(wait_until([&] { return gate.entered.is_set(); }));
    server.server.reset();
    EXPECT_TRUE(idle.is_closed());
    EXPECT_TRUE(half.is_closed());
    EXPECT_TRUE(busy.is_closed());
}

TEST(HttpServer, MayBeDestroyedAfterItsLoopsHaveStopped) {
    Gate gate;
    TestServer server(declare);
    server.services.add(gate);
    RawClient idle = server.connect();
    RawClient busy = server.connect();
    busy.send("GET /gate HTTP/1.1\r\nHost: h\r\n\r\n");
    ASSERT_TRUE(wait_until([&] { return gate.entered.is_set(); }));
    server.loops->stop();
    server.server.reset();
    EXPECT_TRUE(busy.is_closed());
}

TEST(HttpServer, AnswersARequestPastItsDeadlineWith504) {
    Gate gate;
    TestServer server(declare);
    server.services.add(gate);
    EXPECT_EQ(status_of_response(server.exchange("GET /hasty HTTP/1.1\r\nHost: h\r\n\r\n")), 504);
}

TEST(HttpServer, ServesOnEveryLoop) {
    TestServer server(declare, {}, 2);
    std::vector<RawClient> clients;
    for (int i = 0; i < 64; ++i) clients.push_back(server.connect());
    for (RawClient& client : clients) client.send(get_hello);
    for (RawClient& client : clients) EXPECT_EQ(status_of_response(client.receive()), 200);
}

TEST(HttpServer, SaysThatItsPortIsTaken) {
    TestServer first(declare, {}, 2);
    telemetry::Registry registry;
    const runtime::Services services;
    runtime::Loops loops({.threads = 2}, registry);
    HttpOptions options;
    options.port = first.server->port();
    HttpServer second(options, {}, {}, {}, loops, services, registry);
    try {
        second.start();
        ADD_FAILURE() << "two servers have one port";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Errc::unavailable);
        EXPECT_THAT(error.message(), HasSubstr(fmt::format("127.0.0.1 port {}", options.port)));
    }
    options.address = "nowhere";
    HttpServer third(options, {}, {}, {}, loops, services, registry);
    EXPECT_THROW(third.start(), Error);
}

TEST(HttpServer, AccountsForEachRequestUnderItsRoute) {
    TestServer server(declare);
    {
        RawClient client = server.connect();
        for (int i = 0; i < 200; ++i) {
            client.send(get_hello);
            client.receive();
        }
        client.send("GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n");
        client.receive();
    }
    ASSERT_TRUE(server.server->drain(Deadline::in(std::chrono::seconds(10))));
    const telemetry::Snapshot snapshot = server.registry.snapshot();
    int found = 0;
    for (std::size_t i = 0; i < snapshot.labels.size(); ++i) {
        const telemetry::ActivityTotals& totals = snapshot.activities[i];
        if (snapshot.labels[i].name == "GET /hello") {
            ++found;
            EXPECT_EQ(snapshot.labels[i].module, "test");
            EXPECT_EQ(totals.count, 200u);
            EXPECT_EQ(totals.failures, 0u);
            EXPECT_EQ(totals.bytes_in, 200 * get_hello.size());
            EXPECT_GT(totals.bytes_out, 200u * 200);
            EXPECT_GT(totals.cpu_ns, 0u);
            EXPECT_EQ(totals.latency.total, 200u);
            if (telemetry::allocations_are_counted) {
                EXPECT_LT(totals.allocations, 200u * 5);
            }
        }
        if (snapshot.labels[i].name == "unmatched") {
            ++found;
            EXPECT_EQ(totals.count, 1u);
        }
    }
    EXPECT_EQ(found, 2);
}

}  // namespace
}  // namespace loadstone::net
