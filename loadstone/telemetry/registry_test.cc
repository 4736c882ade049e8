#include "loadstone/telemetry/registry.h"

#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "loadstone/telemetry/thread_usage.h"

namespace loadstone::telemetry {
namespace {

constexpr auto run_queue = static_cast<std::size_t>(WaitKind::run_queue);
constexpr auto database = static_cast<std::size_t>(WaitKind::database);

Span span_of(const Registry& registry, LabelIndex label) {
    Span span;
    span.start(label, registry.name_of(label));
    return span;
}

TEST(Registry, GivesOneIndexToAKindAndName) {
    Registry registry;
    const LabelIndex route = registry.add_label(LabelKind::route, "same", "accounts");
    const LabelIndex job = registry.add_label(LabelKind::job, "same", "accounts");
    EXPECT_NE(route, 0);
    EXPECT_NE(job, route);
    EXPECT_EQ(registry.add_label(LabelKind::route, "same", "accounts"), route);
    EXPECT_STREQ(registry.name_of(route), "same");
    EXPECT_STREQ(registry.name_of(0), "other");
    EXPECT_STREQ(registry.name_of(999), "other");
    EXPECT_STREQ(registry.name_of(65'535), "other");
}

TEST(Registry, AddsUpSpansOfAllThreads) {
    Registry registry;
    const LabelIndex route = registry.add_label(LabelKind::route, "GET /", "home");
    const LabelIndex query = registry.add_label(LabelKind::query, "home.all", "home");
    const auto record = [&] {
        Span span = span_of(registry, route);
        span.allocations = 3;
        span.allocated_bytes = 300;
        span.bytes_in = 10;
        span.bytes_out = 20;
        span.failed = true;
        span.waited(WaitKind::database, 5'000);
        span.used_query(query, 4'000, 2);
        registry.shard().record(span, 1.0);
        registry.shard().record_query(query, 4'000, 2, true);
    };
    std::thread first(record);
    std::thread second(record);
    first.join();
    second.join();
    record();

    const Snapshot snapshot = registry.snapshot();
    ASSERT_EQ(snapshot.labels.size(), 3U);
    EXPECT_EQ(snapshot.labels[route].name, "GET /");
    EXPECT_EQ(snapshot.labels[route].module, "home");
    const ActivityTotals& totals = snapshot.activities[route];
    EXPECT_EQ(totals.count, 3U);
    EXPECT_EQ(totals.failures, 3U);
    EXPECT_EQ(totals.allocations, 9U);
    EXPECT_EQ(totals.allocated_bytes, 900U);
    EXPECT_EQ(totals.bytes_in, 30U);
    EXPECT_EQ(totals.bytes_out, 60U);
    EXPECT_EQ(totals.statements, 3U);
    EXPECT_EQ(totals.rows, 6U);
    EXPECT_EQ(totals.wait_ns[database], 15'000U);
    EXPECT_EQ(totals.latency.total, 3U);
    ASSERT_EQ(totals.queries.size(), 1U);
    EXPECT_EQ(totals.queries[0].query, query);
    EXPECT_EQ(totals.queries[0].calls, 3U);
    EXPECT_EQ(totals.queries[0].ns, 12'000U);
    EXPECT_EQ(snapshot.queries[query].count, 3U);
    EXPECT_EQ(snapshot.queries[query].failures, 3U);
    EXPECT_EQ(snapshot.queries[query].rows, 6U);
    EXPECT_EQ(snapshot.queries[query].latency.sum_ns, 12'000U);
    EXPECT_EQ(snapshot.activities[0].count, 0U);
}

TEST(Registry, ForgetsNothingWhenThreadsEndAndReusesTheirShards) {
    Registry registry;
    const LabelIndex route = registry.add_label(LabelKind::route, "GET /", "");
    std::set<const Shard*> shards;
    for (int i = 0; i < 50; ++i) {
        std::thread thread([&] {
            registry.shard().record(span_of(registry, route), 1.0);
            shards.insert(&registry.shard());
        });
        thread.join();
    }
    EXPECT_EQ(shards.size(), 1U);
    EXPECT_EQ(registry.snapshot().activities[route].count, 50U);
}

TEST(Registry, IsNotMistakenForADeadOneAtTheSameAddress) {
    std::optional<Registry> registry;
    for (int life = 0; life < 100; ++life) {
        registry.emplace();
        const LabelIndex route = registry->add_label(LabelKind::route, "GET /", "");
        registry->shard().record(span_of(*registry, route), 1.0);
        EXPECT_EQ(registry->snapshot().activities[route].count, 1U);
    }
}

TEST(Registry, SeparatesRegistriesOfOneThread) {
    Registry first;
    Registry second;
    const LabelIndex route = first.add_label(LabelKind::route, "GET /", "");
    ASSERT_EQ(second.add_label(LabelKind::route, "GET /", ""), route);
    for (int i = 0; i < 3; ++i) {
        first.shard().record(span_of(first, route), 1.0);
        second.shard().record(span_of(second, route), 1.0);
        second.shard().record(span_of(second, route), 1.0);
    }
    EXPECT_EQ(first.snapshot().activities[route].count, 3U);
    EXPECT_EQ(second.snapshot().activities[route].count, 6U);
}

TEST(Registry, MayBeGoneBeforeAThreadThatRecordedInIt) {
    std::optional<Registry> registry(std::in_place);
    std::atomic<bool> recorded{false};
    std::atomic<bool> gone{false};
    std::thread thread([&] {
        registry->shard().record(span_of(*registry, 0), 1.0);
        recorded = true;
        recorded.notify_one();
        gone.wait(false);
    });
    recorded.wait(false);
    registry.reset();
    gone = true;
    gone.notify_one();
    thread.join();
}

TEST(Registry, GivesLabelsAboveTheMaximumToOtherAndCountsThem) {
    Registry registry;
    LabelIndex last = 0;
    for (std::size_t i = 1; i < Registry::labels_max; ++i) {
        last = registry.add_label(LabelKind::route, "GET /" + std::to_string(i), "");
        ASSERT_EQ(last, i);
    }
    EXPECT_EQ(registry.prometheus().find("loadstone_labels_overflow_total 1\n"), std::string::npos);
    EXPECT_EQ(registry.add_label(LabelKind::route, "GET /one-more", ""), 0);
    EXPECT_EQ(registry.add_label(LabelKind::route, "GET /1", ""), 1);
    EXPECT_NE(registry.prometheus().find("loadstone_labels_overflow_total 1\n"), std::string::npos);

    registry.shard().record(span_of(registry, last), 1.0);
    registry.shard().record(span_of(registry, 0), 1.0);
    registry.shard().record(span_of(registry, Registry::labels_max), 1.0);
    registry.shard().record_query(Registry::labels_max, 1'000, 0, false);
    const Snapshot snapshot = registry.snapshot();
    EXPECT_EQ(snapshot.labels.size(), Registry::labels_max);
    EXPECT_EQ(snapshot.activities[last].count, 1U);
    EXPECT_EQ(snapshot.activities[0].count, 2U);
    EXPECT_EQ(snapshot.queries[0].count, 1U);
}

TEST(Registry, GivesOneCounterToANameAndLabels) {
    Registry registry;
    Counter& first = registry.counter("hits_total", "module=\"a\"", "Hits.");
    Counter& other = registry.counter("hits_total", "module=\"b\"", "Hits.");
    EXPECT_EQ(&registry.counter("hits_total", "module=\"a\"", "Hits."), &first);
    EXPECT_NE(&other, &first);
    first.add();
    first.add(4);
    EXPECT_EQ(first.value(), 5U);
    EXPECT_EQ(other.value(), 0U);
}

TEST(Registry, CountsCountersThatFindNoRoom) {
    Registry registry;
    for (std::size_t i = 0; i < Registry::series_max; ++i) {
        registry.counter("hits_total", metric_label("n", std::to_string(i)), "Hits.");
    }
    EXPECT_EQ(registry.prometheus().find("loadstone_labels_overflow_total 1\n"), std::string::npos);
    registry.counter("hits_total", metric_label("n", "one more"), "Hits.").add(7);
    const std::string text = registry.prometheus();
    EXPECT_NE(text.find("loadstone_labels_overflow_total 1\n"), std::string::npos);
    EXPECT_EQ(text.find("one more"), std::string::npos);
}

TEST(Shard, SplitsSlicesByTheShareOfTheCpu) {
    Registry registry;
    const LabelIndex route = registry.add_label(LabelKind::route, "GET /", "");
    Span span = span_of(registry, route);
    span.cpu_tsc = static_cast<std::uint64_t>(1'000'000 / ns_per_tsc());
    const std::uint64_t slices_ns = tsc_to_ns(span.cpu_tsc);
    span.waited(WaitKind::run_queue, 10);
    registry.shard().record(span, 0.75);

    const ActivityTotals totals = registry.snapshot().activities[route];
    EXPECT_NEAR(static_cast<double>(totals.cpu_ns), 750'000, 2);
    EXPECT_EQ(totals.cpu_ns + totals.wait_ns[run_queue], slices_ns + 10);
}

TEST(Shard, TakesAShareOutsideZeroToOneAsTheNearerEnd) {
    Registry registry;
    const LabelIndex all = registry.add_label(LabelKind::route, "all", "");
    const LabelIndex none = registry.add_label(LabelKind::route, "none", "");
    Span span = span_of(registry, all);
    span.cpu_tsc = 1'000'000;
    registry.shard().record(span, 1.5);
    span.label = none;
    registry.shard().record(span, -0.5);

    const Snapshot snapshot = registry.snapshot();
    EXPECT_EQ(snapshot.activities[all].cpu_ns, tsc_to_ns(1'000'000));
    EXPECT_EQ(snapshot.activities[all].wait_ns[run_queue], 0U);
    EXPECT_EQ(snapshot.activities[none].cpu_ns, 0U);
    EXPECT_EQ(snapshot.activities[none].wait_ns[run_queue], tsc_to_ns(1'000'000));
}

TEST(Shard, KeepsTheHeaviestQueriesFirstAndTheRestAsOther) {
    Registry registry;
    const LabelIndex route = registry.add_label(LabelKind::route, "GET /", "");
    constexpr LabelIndex queries = 40;
    for (int round = 0; round < 2; ++round) {
        for (LabelIndex query = 1; query <= queries; ++query) {
            Span span = span_of(registry, route);
            span.used_query(query, 1'000U * query, 1);
            registry.shard().record(span, 1.0);
        }
    }

    const std::vector<QueryUse> uses = registry.snapshot().activities[route].queries;
    ASSERT_EQ(uses.size(), 33U);
    std::uint64_t calls = 0;
    std::uint64_t ns = 0;
    for (std::size_t i = 0; i < uses.size(); ++i) {
        calls += uses[i].calls;
        ns += uses[i].ns;
        EXPECT_TRUE(i == 0 || uses[i - 1].ns >= uses[i].ns);
        EXPECT_EQ(uses[i].calls, uses[i].query == 0 ? 16U : 2U);
    }
    EXPECT_EQ(uses[0].query, 0);
    EXPECT_EQ(calls, 2U * queries);
    EXPECT_EQ(ns, 2'000U * queries * (queries + 1) / 2);
}

TEST(Shard, AllocatesOnlyOnTheFirstRecordOfALabel) {
    Registry registry;
    const LabelIndex route = registry.add_label(LabelKind::route, "GET /", "");
    const LabelIndex query = registry.add_label(LabelKind::query, "all", "");
    const auto record = [&] {
        Span span = span_of(registry, route);
        span.used_query(query, 1'000, 1);
        registry.shard().record(span, 0.9);
        registry.shard().record_query(query, 1'000, 1, false);
    };
    const std::uint64_t at_start = thread_allocations().count;
    record();
    const std::uint64_t after_first = thread_allocations().count;
    for (int i = 0; i < 1'000; ++i) record();
    EXPECT_EQ(thread_allocations().count, after_first);
    EXPECT_EQ(after_first > at_start, allocations_are_counted);
}

TEST(Snapshot, IsNeverTornAndNeverGoesBack) {
    constexpr int writers = 2;
    constexpr std::uint64_t spans = 300'000;
    // Neither half of it can be written without the other unnoticed.
    constexpr std::uint64_t unit = (std::uint64_t{1} << 32) + 1;
    Registry registry;
    const LabelIndex route = registry.add_label(LabelKind::route, "GET /", "");
    const LabelIndex query = registry.add_label(LabelKind::query, "all", "");

    std::atomic<int> running{writers};
    std::vector<std::thread> threads;
    for (int i = 0; i < writers; ++i) {
        threads.emplace_back([&] {
            for (std::uint64_t n = 0; n < spans; ++n) {
                Span span = span_of(registry, route);
                span.allocated_bytes = unit;
                span.waited(WaitKind::database, unit);
                span.used_query(query, unit, unit);
                registry.shard().record(span, 1.0);
                registry.shard().record_query(query, unit, unit, false);
            }
            --running;
        });
    }

    std::uint64_t count = 0;
    std::uint64_t bytes = 0;
    std::uint64_t query_ns = 0;
    bool ended = false;
    while (!ended) {
        ended = running == 0;
        const Snapshot snapshot = registry.snapshot();
        const ActivityTotals& totals = snapshot.activities[route];
        ASSERT_GE(totals.count, count);
        ASSERT_GE(totals.allocated_bytes, bytes);
        ASSERT_EQ(totals.allocated_bytes % unit, 0U);
        ASSERT_EQ(totals.wait_ns[database] % unit, 0U);
        ASSERT_LE(totals.queries.size(), 1U);
        for (const QueryUse& use : totals.queries) {
            ASSERT_EQ(use.query, query);
            ASSERT_EQ(use.ns % unit, 0U);
            ASSERT_GE(use.ns, query_ns);
            query_ns = use.ns;
        }
        ASSERT_EQ(snapshot.queries[query].latency.sum_ns % unit, 0U);
        count = totals.count;
        bytes = totals.allocated_bytes;
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(count, writers * spans);
    EXPECT_EQ(bytes, writers * spans * unit);
    EXPECT_EQ(query_ns, writers * spans * unit);
}

}  // namespace
}  // namespace loadstone::telemetry
