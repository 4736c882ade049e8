#include "loadstone/attribution/why.h"

#include <gtest/gtest.h>

namespace loadstone::attribution {
namespace {

using telemetry::LabelKind;
using telemetry::Registry;
using telemetry::Snapshot;
using telemetry::WaitKind;

// A registry's snapshot with what a test puts into its tables.
struct Scene {
    Registry registry;
    telemetry::LabelIndex slow = registry.add_label(LabelKind::route, "GET /slow", "reports");
    telemetry::LabelIndex fast = registry.add_label(LabelKind::route, "GET /fast", "accounts");
    telemetry::LabelIndex query =
        registry.add_label(LabelKind::query, "reports.everything", "reports");
    Snapshot snapshot = registry.snapshot();

    telemetry::ActivityTotals& totals(telemetry::LabelIndex label) {
        if (snapshot.activities.size() <= label) snapshot.activities.resize(label + std::size_t{1});
        return snapshot.activities[label];
    }
    void happened(telemetry::LabelIndex label, std::uint64_t count, std::uint64_t each_ns,
                  std::uint64_t cpu_ns) {
        auto& t = totals(label);
        t.count += count;
        t.cpu_ns += count * cpu_ns;
        t.latency.counts[telemetry::Histogram::bucket_of(each_ns)] += count;
        t.latency.total += count;
        t.latency.sum_ns += count * each_ns;
    }
    void waited(telemetry::LabelIndex label, WaitKind kind, std::uint64_t ns) {
        totals(label).wait_ns[static_cast<std::size_t>(kind)] += ns;
    }
};

TEST(Why, SaysWhatTakesTheTimeWhereAndInWhichQuery) {
    Scene scene;
    scene.happened(scene.slow, 10, 100'000'000, 10'000'000);
    scene.waited(scene.slow, WaitKind::database, 10 * 80'000'000ULL);
    scene.totals(scene.slow)
        .queries.push_back({.query = scene.query, .calls = 30, .ns = 800'000'000, .rows = 300});
    scene.happened(scene.fast, 1'000, 100'000, 100'000);

    const Ranking ranking = rank(scene.snapshot, nullptr, 10);
    ASSERT_EQ(ranking.activities.size(), 2U);
    const Activity& top = ranking.activities[0];
    EXPECT_EQ(top.name, "GET /slow");
    EXPECT_DOUBLE_EQ(top.per_second, 1);
    EXPECT_NEAR(top.time_part, 1.0 / 1.1, 0.001);
    ASSERT_GE(top.shares.size(), 3U);
    EXPECT_EQ(top.shares[0].name, "database");
    EXPECT_NEAR(top.shares[0].part, 0.8, 0.001);
    EXPECT_NEAR(top.shares[1].part, 0.1, 1e-9);  // cpu and unaccounted, 10 % each
    EXPECT_NEAR(top.shares[2].part, 0.1, 1e-9);
    ASSERT_EQ(top.queries.size(), 1U);
    EXPECT_EQ(top.queries[0].name, "reports.everything");
    EXPECT_DOUBLE_EQ(top.queries[0].calls_each, 3);
    EXPECT_DOUBLE_EQ(top.queries[0].rows_each, 10);
    EXPECT_EQ(ranking.verdict,
              "GET /slow takes 91 % of all time, 80 % of that on the database, most of it in "
              "reports.everything");
}

TEST(Why, SubtractsWhatWasBefore) {
    Scene scene;
    scene.happened(scene.slow, 1'000, 100'000'000, 10'000'000);
    const Snapshot before = scene.snapshot;
    scene.snapshot.taken_ns = before.taken_ns + 60'000'000'000ULL;
    scene.happened(scene.fast, 600, 1'000'000, 1'000'000);

    const Ranking ranking = rank(scene.snapshot, &before, 3'600);
    EXPECT_DOUBLE_EQ(ranking.seconds, 60);
    ASSERT_EQ(ranking.activities.size(), 1U) << "what did not happen in the minute is not shown";
    EXPECT_EQ(ranking.activities[0].name, "GET /fast");
    EXPECT_DOUBLE_EQ(ranking.activities[0].per_second, 10);
    EXPECT_EQ(ranking.verdict, "GET /fast takes 100 % of all time, 100 % of that on CPU");
}

TEST(Why, SharesOfOverlappingWorkNeverExceedTheWhole) {
    Scene scene;
    scene.happened(scene.slow, 1, 1'000'000, 900'000);
    scene.waited(scene.slow, WaitKind::database, 900'000);
    double sum = 0;
    const Ranking ranking = rank(scene.snapshot, nullptr, 1);
    for (const Share& share : ranking.activities[0].shares) sum += share.part;
    EXPECT_NEAR(sum, 1.0, 1e-9);
}

TEST(Why, SaysSoWhenNothingHappened) {
    Scene scene;
    EXPECT_EQ(rank(scene.snapshot, nullptr, 5).verdict, "nothing has happened in this time");
    EXPECT_NE(to_text(rank(scene.snapshot, nullptr, 5)).find("last 5 s: nothing has happened"),
              std::string::npos);
}

}  // namespace
}  // namespace loadstone::attribution
