// What an answer over `response_bytes_max` costs before it is refused.

#include <gtest/gtest.h>

#include <boost/describe.hpp>

#include "loadstone/net/internal/test_server.h"
#include "loadstone/telemetry/thread_usage.h"

namespace loadstone::net {

using internal::body_of;
using internal::status_of_response;
using internal::TestServer;
using internal::wait_until;

// A byte that becomes a hundred.
struct Verbose {
    std::int8_t
        its_name_is_as_long_as_it_may_well_be_so_that_what_is_small_in_memory_becomes_a_long_text =
            0;
};
BOOST_DESCRIBE_STRUCT(
    Verbose, (),
    (its_name_is_as_long_as_it_may_well_be_so_that_what_is_small_in_memory_becomes_a_long_text))

struct Verboses {
    std::vector<Verbose> all;
};
BOOST_DESCRIBE_STRUCT(Verboses, (), (all))

namespace {

constexpr std::size_t mebibyte = 1 << 20;

Task<Reply<Verboses>> verboses(Context&, Path<int> millions) {
    Reply<Verboses> reply;
    reply.body.all.resize(static_cast<std::size_t>(millions.value) * 1'000'000);
    co_return reply;
}

void routes(Routes& routes) { routes.get("/verboses/{millions}", verboses).open_to_all(); }

std::uint64_t allocated_bytes(const telemetry::Registry& registry) {
    std::uint64_t bytes = 0;
    for (const auto& totals : registry.snapshot().activities) bytes += totals.allocated_bytes;
    return bytes;
}

TEST(ResponseBudget, StopsAnAnswerWhenItIsTooLargeInsteadOfMakingIt) {
    HttpOptions options;
    options.limits.response_bytes_max = mebibyte;
    TestServer server(routes, options);
    const std::string answer =
        server.exchange("GET /verboses/4 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    EXPECT_EQ(status_of_response(answer), 500);
    EXPECT_NE(body_of(answer).find("larger than the server builds in memory"), std::string::npos);
    EXPECT_EQ(server.counted("loadstone_http_responses_too_large_total"), 1U);
    if (!telemetry::allocations_are_counted) return;
    ASSERT_TRUE(wait_until([&] { return allocated_bytes(server.registry) > 0; }));
    // 4 MB of bytes; the text's allocations, each twice as large as the one before, the last of up
    // to 2 MiB. Of 400 MB of text they were 1 GB.
    EXPECT_LT(allocated_bytes(server.registry), 10 * mebibyte);
}

}  // namespace
}  // namespace loadstone::net
