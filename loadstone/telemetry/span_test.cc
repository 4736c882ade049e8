#include "loadstone/telemetry/span.h"

#include <gtest/gtest.h>

#include <chrono>

namespace loadstone::telemetry {
namespace {

TEST(Span, StartForgetsWhatWasBefore) {
    Span span;
    span.used_query(3, 100, 2);
    span.waited(WaitKind::pool, 50);
    span.failed = true;
    span.start(7, "GET /");
    EXPECT_EQ(span.label, 7);
    EXPECT_STREQ(span.name, "GET /");
    EXPECT_NE(span.started_tsc, 0U);
    EXPECT_EQ(span.statements, 0U);
    EXPECT_EQ(span.query_count, 0);
    EXPECT_EQ(span.wait_ns[static_cast<std::size_t>(WaitKind::pool)], 0U);
    EXPECT_FALSE(span.failed);
}

TEST(Span, AddsUpTheUsesOfAQuery) {
    Span span;
    span.used_query(3, 100, 2);
    span.used_query(4, 10, 1);
    span.used_query(3, 200, 5);
    ASSERT_EQ(span.query_count, 2);
    EXPECT_EQ(span.queries[0].query, 3);
    EXPECT_EQ(span.queries[0].calls, 2U);
    EXPECT_EQ(span.queries[0].ns, 300U);
    EXPECT_EQ(span.queries[0].rows, 7U);
    EXPECT_EQ(span.queries[1].query, 4);
    EXPECT_EQ(span.statements, 3U);
    EXPECT_EQ(span.rows, 8U);
}

TEST(Span, KeepsAsManyQueriesAsItHasEntriesFor) {
    Span span;
    for (LabelIndex query = 1; query <= Span::queries_max; ++query) span.used_query(query, 1, 1);
    ASSERT_EQ(span.query_count, Span::queries_max);
    EXPECT_EQ(span.queries[Span::queries_max - 1].query, Span::queries_max);
}

TEST(Span, AddsUpFurtherQueriesAsOther) {
    Span span;
    for (LabelIndex query = 1; query <= 20; ++query) span.used_query(query, 10, 1);
    ASSERT_EQ(span.query_count, Span::queries_max);
    for (std::size_t i = 0; i + 1 < Span::queries_max; ++i) {
        EXPECT_EQ(span.queries[i].query, i + 1);
        EXPECT_EQ(span.queries[i].calls, 1U);
    }
    const QueryUse& other = span.queries[Span::queries_max - 1];
    EXPECT_EQ(other.query, 0);
    EXPECT_EQ(other.calls, 13U);
    EXPECT_EQ(other.ns, 130U);
    EXPECT_EQ(other.rows, 13U);
    EXPECT_EQ(span.statements, 20U);
}

TEST(Span, AddsFurtherQueriesToStatementsWithoutAName) {
    Span span;
    span.used_query(0, 5, 0);
    for (LabelIndex query = 1; query <= Span::queries_max; ++query) span.used_query(query, 10, 1);
    EXPECT_EQ(span.queries[0].query, 0);
    EXPECT_EQ(span.queries[0].calls, 2U);
    EXPECT_EQ(span.queries[Span::queries_max - 1].query, Span::queries_max - 1);
}

TEST(Wait, AddsItsTimeOnce) {
    Span span;
    constexpr auto disk = static_cast<std::size_t>(WaitKind::disk);
    const std::uint64_t began = tsc();
    {
        Wait wait(span, WaitKind::disk);
        while (tsc_to_ns(tsc() - began) < 1'000'000) {
        }
        wait.stop();
        EXPECT_GT(span.wait_ns[disk], 500'000U);
        const std::uint64_t once = span.wait_ns[disk];
        wait.stop();
        EXPECT_EQ(span.wait_ns[disk], once);
    }
    EXPECT_LE(span.wait_ns[disk], tsc_to_ns(tsc() - began));
}

TEST(Tsc, AgreesWithTheSteadyClock) {
    using Clock = std::chrono::steady_clock;
    ns_per_tsc();
    const std::uint64_t outer_begin = tsc();
    const auto begin = Clock::now();
    const std::uint64_t inner_begin = tsc();
    while (Clock::now() - begin < std::chrono::milliseconds(20)) {
    }
    const std::uint64_t inner_end = tsc();
    const auto end = Clock::now();
    const std::uint64_t outer_end = tsc();
    const auto clock_ns = static_cast<double>(std::chrono::nanoseconds(end - begin).count());
    EXPECT_LE(static_cast<double>(tsc_to_ns(inner_end - inner_begin)), clock_ns * 1.001);
    EXPECT_GE(static_cast<double>(tsc_to_ns(outer_end - outer_begin)), clock_ns * 0.999);
}

}  // namespace
}  // namespace loadstone::telemetry
