// What a session has seen of the database comes with its requests and goes back when it has grown.
#include "loadstone/net/position_token.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "loadstone/net/http_server.h"
#include "loadstone/net/internal/test_server.h"
#include "loadstone/net/session_cookie.h"

namespace loadstone::net {
namespace {

using internal::body_of;
using internal::field_of;
using internal::status_of_response;
using internal::TestServer;
using runtime::Position;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

Response what_came(Context& context) {
    const runtime::Reading& reading = context.reading();
    return text_response(fmt::format(
        "{}{}{} {}", to_text(reading.position()), reading.is_heavy ? " heavy" : "",
        reading.freshness == runtime::latest ? " latest" : "", reading.stale_max.count()));
}
Task<Response> look(Context& context) { co_return what_came(context); }
Task<Response> see_more(Context& context) {
    Response response = what_came(context);
    context.reading().saw({1, 0x20});
    co_return response;
}
Task<Response> go_back(Context& context) {
    context.reading().replace({1, 0x10});
    co_return what_came(context);
}
Task<Response> fail(Context& context) {
    context.reading().saw({1, 0x20});
    throw Error(Errc::already_exists, "it is there");
    co_return Response();
}
Task<Response> stale(Context& context) {
    context.reading().gave_stale(std::chrono::milliseconds(1'250));
    co_return what_came(context);
}

Task<Response> find_nothing(Context& context) {
    context.reading().gave_behind(std::chrono::milliseconds(1'250));
    throw Error(Errc::not_found, "there is no such thing");
    co_return Response();
}
// As where a view has given what was true before.
Task<Response> refuse(Context& context) {
    context.reading().gave_stale(std::chrono::milliseconds(1'250));
    throw Error(Errc::permission_denied, "it is another's");
    co_return Response();
}
// Whoever is signed in, if it is read for certain.
Task<std::optional<runtime::Session>> resolve(Context& context, std::string_view) {
    const runtime::Reading& reading = context.reading();
    if (reading.is_heavy || reading.stale_max.count() > 0) co_return std::nullopt;
    co_return runtime::Session{.id = 1, .user = 7};
}

void declare(Routes& routes) {
    routes.get("/look", look).open_to_all();
    routes.get("/see", see_more).open_to_all();
    routes.get("/fail", fail).open_to_all();
    routes.get("/stale", stale).open_to_all();
    routes.get("/stale/nothing", find_nothing).open_to_all();
    routes.get("/stale/refused", refuse).open_to_all();
    routes.get("/own", look).heavy_on_reads().stale_allowed(std::chrono::milliseconds(70));
    routes.post("/look", look).open_to_all();
    routes.post("/see", see_more).open_to_all();
    routes.get("/back", go_back).open_to_all();
    routes.post("/heavy", look).open_to_all().heavy_on_reads();
    routes.get("/heavy", look)
        .open_to_all()
        .heavy_on_reads()
        .stale_allowed(std::chrono::milliseconds(70));
}

struct PositionToken : testing::Test {
    TestServer server{declare};
    std::string get(std::string_view path, std::string_view fields = "") const {
        return server.exchange(fmt::format("GET {} HTTP/1.1\r\nHost: h\r\n{}\r\n", path, fields));
    }
};

TEST_F(PositionToken, GoesOutAsACookieWhenItHasGrown) {
    EXPECT_EQ(field_of(get("/look"), "Set-Cookie"), "");
    EXPECT_EQ(field_of(get("/see"), "Set-Cookie"),
              "position=1-20; Path=/; HttpOnly; SameSite=Lax; Max-Age=3600");
    EXPECT_EQ(field_of(get("/see", "Cookie: position=1-20\r\n"), "Set-Cookie"), "");
    EXPECT_EQ(field_of(get("/see", "Cookie: position=1-21\r\n"), "Set-Cookie"), "");
    EXPECT_THAT(field_of(get("/see", "Cookie: position=1-1F\r\n"), "Set-Cookie"),
                StartsWith("position=1-20;"));
}

// Of PostgreSQL without replicas, where every read is a moment.
constexpr Position moment{runtime::first_moments | 7U, 0x20};

Task<std::optional<runtime::Session>> who_asks(Context& context, std::string_view) {
    const bool is_new = context.reading().position() == Position{};
    context.reading().replace(is_new ? moment : Position::unknown());
    co_return runtime::Session{};
}
Task<Response> see_a_moment(Context& context) {
    Response response = what_came(context);
    context.reading().saw({moment.history, 0x21});
    co_return response;
}

TEST(PositionTokenOfSessions, DoesNotGrowByWhoAsks) {
    const auto declare_own = [](Routes& routes) {
        routes.get("/look", look).session_optional();
        routes.get("/see", see_a_moment).session_optional();
    };
    TestServer server{declare_own, {}, 1, who_asks};
    const auto get = [&](std::string_view path, std::string_view position) {
        return server.exchange(fmt::format("GET {} HTTP/1.1\r\nHost: h\r\nCookie: {}=abc{}\r\n\r\n",
                                           path, session_cookie_name(false), position));
    };
    EXPECT_EQ(body_of(get("/look", "")), "0-0 0");
    EXPECT_EQ(field_of(get("/look", ""), "Set-Cookie"), "");
    constexpr std::string_view others = "; position=80000009-5";
    EXPECT_EQ(body_of(get("/look", others)), "80000009-5 0");
    EXPECT_EQ(field_of(get("/look", others), "Set-Cookie"), "");
    EXPECT_THAT(field_of(get("/see", ""), "Set-Cookie"), StartsWith("position=80000007-21;"));
}

TEST_F(PositionToken, ComesInAsItWentOut) {
    EXPECT_EQ(body_of(get("/look", "Cookie: a=b; position=2-AF\r\n")), "2-AF 0");
    EXPECT_EQ(body_of(get("/look", "Loadstone-Position: 2-B0\r\n")), "2-B0 0");
    EXPECT_EQ(body_of(get("/look", "Cookie: position=nonsense\r\n")), "0-0 0");
    EXPECT_EQ(body_of(get("/look")), "0-0 0");
}

// The answer to a read that began before a write may come after that to the write.
TEST_F(PositionToken, OfAWriteIsNotTakenBackByAReadThatOverlaps) {
    const std::string written =
        server.exchange("POST /see HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
    EXPECT_THAT(written, HasSubstr("Set-Cookie: position=1-20;"));
    EXPECT_THAT(written, HasSubstr("Set-Cookie: written=1-20; Path=/; HttpOnly; SameSite=Lax;"));
    EXPECT_THAT(get("/see"), Not(HasSubstr("written")));
    EXPECT_EQ(body_of(get("/look", "Cookie: position=1-1F; written=1-20\r\n")), "1-20 0");
    EXPECT_EQ(body_of(get("/look", "Cookie: position=1-21; written=1-20\r\n")), "1-21 0");
    EXPECT_EQ(body_of(get("/look", "Cookie: written=1-20\r\n")), "1-20 0");
    EXPECT_EQ(body_of(get("/look", "Cookie: position=80000007-1; written=1-20\r\n")),
              "80000007-1 0");
    EXPECT_EQ(body_of(get("/look", "Cookie: position=1-20; written=80000007-1\r\n")), "1-20 0");
}

TEST_F(PositionToken, OfAWriteIsPutRightWhereNoHistoryReachesIt) {
    const std::string answer = get("/back", "Cookie: position=1-1F; written=1-20\r\n");
    EXPECT_THAT(answer, HasSubstr("Set-Cookie: position=1-10;"));
    EXPECT_THAT(answer, HasSubstr("Set-Cookie: written=1-10;"));
    EXPECT_THAT(get("/back", "Cookie: position=1-1F; written=1-9\r\n"), Not(HasSubstr("written")));
}

TEST_F(PositionToken, GoesOutAsAHeaderToWhoSendsOne) {
    const std::string response = get("/see", "Loadstone-Position: 0-0\r\n");
    EXPECT_EQ(field_of(response, "Loadstone-Position"), "1-20");
    EXPECT_THAT(field_of(response, "Set-Cookie"), StartsWith("position=1-20;"))
        << "a browser goes to other pages without it";
    const std::string seen = get("/see", "Loadstone-Position: 1-21\r\n");
    EXPECT_EQ(field_of(seen, "Loadstone-Position"), "1-21")
        << "a cache would keep the one of an answer before";
    EXPECT_EQ(field_of(seen, "Set-Cookie"), "");
    const std::string ahead = get("/look", "Loadstone-Position: 1-30\r\nCookie: position=1-20\r\n");
    EXPECT_THAT(field_of(ahead, "Set-Cookie"), StartsWith("position=1-30;"))
        << "or a page that is opened next is shown less";
    EXPECT_EQ(field_of(get("/back", "Loadstone-Position: 1-21\r\n"), "Loadstone-Position"), "1-10");
}

TEST_F(PositionToken, OfAHeaderAndCookiesTheLaterCounts) {
    const auto came = [&](std::string_view header, std::string_view cookies) {
        return body_of(
            get("/look", fmt::format("Loadstone-Position: {}\r\nCookie: {}\r\n", header, cookies)));
    };
    EXPECT_EQ(came("0-0", "position=1-20"), "1-20 0");
    EXPECT_EQ(came("1-20", "position=1-1F; written=1-1F"), "1-20 0");
    EXPECT_EQ(came("1-1F", "position=1-1E; written=1-20"), "1-20 0");
    EXPECT_EQ(came("2-1", "position=1-20"), "2-1 0");
    EXPECT_EQ(came("nonsense", "position=1-20"), "1-20 0");
    EXPECT_EQ(came("1-20", "position=nonsense"), "1-20 0");
    const std::string unknown = to_text(Position::unknown());
    EXPECT_EQ(came(unknown, "position=1-20"), unknown + " 0");
    EXPECT_EQ(came("80000007-1", "position=80000007-2"), "80000007-2 0");
    EXPECT_EQ(came("80000007-1", "position=80000009-2"), unknown + " 0") << "of two processes";
    EXPECT_EQ(came("0-0", "position=80000009-2"), "80000009-2 0");
    EXPECT_EQ(came("80000007-1", "position=0-0"), "80000007-1 0");
}

TEST_F(PositionToken, GoesOutWithAFailureToo) {
    const std::string response = get("/fail");
    EXPECT_EQ(status_of_response(response), 409);
    EXPECT_THAT(field_of(response, "Set-Cookie"), StartsWith("position=1-20;"));
}

TEST_F(PositionToken, AStaleAnswerSaysSo) {
    EXPECT_EQ(field_of(get("/stale"), "Loadstone-Stale"), "1.2");
    EXPECT_EQ(field_of(get("/look"), "Loadstone-Stale"), "");
}

TEST_F(PositionToken, NothingIsRefusedByWhatAReplicaHad) {
    const std::string response = get("/stale/nothing");
    EXPECT_EQ(status_of_response(response), 503);
    EXPECT_EQ(field_of(response, "Retry-After"), "1");
    EXPECT_EQ(status_of_response(get("/stale/refused")), 403);
}

TEST(WhoAsks, IsReadForCertainThoughTheAnswerMayBeStale) {
    TestServer server(declare, {}, 1, resolve);
    const std::string response = server.exchange(fmt::format(
        "GET /own HTTP/1.1\r\nHost: h\r\nCookie: {}=abc\r\n\r\n", session_cookie_name(false)));
    EXPECT_EQ(status_of_response(response), 200);
    EXPECT_EQ(body_of(response), "0-0 heavy 70");
}

TEST_F(PositionToken, ARouteThatIsHeavyOnReadsSaysSoToTheStore) {
    EXPECT_EQ(body_of(get("/heavy")), "0-0 heavy 70");
}

TEST_F(PositionToken, WhatMayWriteReadsAtThePrimary) {
    const auto post = [&](std::string_view path) {
        return body_of(server.exchange(
            fmt::format("POST {} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", path)));
    };
    EXPECT_EQ(post("/look"), "0-0 latest 0");
    EXPECT_EQ(post("/heavy"), "0-0 heavy 0");
}

TEST(HeavyRoutes, HaveABulkheadOfTheirOwn) {
    telemetry::Registry registry;
    admission::BulkheadOptions options;
    options.concurrency_max = 1;
    options.queue_max = 0;
    options.name = "test";
    admission::Bulkhead ordinary(options, registry);
    options.name = heavy_bulkhead("test");
    admission::Bulkhead heavy(options, registry);
    TestServer server(declare, {}, 1, {}, {{"test", &ordinary}, {heavy_bulkhead("test"), &heavy}});
    const auto status = [&](std::string_view path) {
        return status_of_response(
            server.exchange(fmt::format("GET {} HTTP/1.1\r\nHost: h\r\n\r\n", path)));
    };
    const auto full = heavy.try_enter();
    ASSERT_TRUE(full);
    EXPECT_EQ(status("/heavy"), 503);
    EXPECT_EQ(status("/look"), 200);
}

}  // namespace
}  // namespace loadstone::net
