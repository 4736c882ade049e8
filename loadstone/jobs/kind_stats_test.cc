#include "loadstone/jobs/kind_stats.h"

#include <gtest/gtest.h>

namespace loadstone::jobs {
namespace {

KindCounts counts(std::string queue, std::string kind, std::size_t bucket, std::uint64_t runs) {
    KindCounts all;
    all.queue = std::move(queue);
    all.kind = std::move(kind);
    all.runs = runs;
    all.limited = 2;
    all.wait.buckets.resize(bucket + 1);
    all.wait.buckets[bucket] = runs;
    return all;
}

TEST(KindStats, OfSeveralProcessesAreSums) {
    const std::vector<std::vector<KindCounts>> processes{
        {counts("mail", "mail.Send", 80, 90), counts("mail", "mail.Clean", 80, 1),
         counts("other", "other.Do", 80, 7)},
        {counts("mail", "mail.Send", 160, 10)}};
    const QueueKinds of = kinds_of("mail", processes);
    ASSERT_EQ(of.kinds.size(), 2U);
    EXPECT_EQ(of.limited, 4U) << "of each process once, whatever its kinds";
    EXPECT_EQ(of.kinds[0].kind, "mail.Clean");
    const KindStats& send = of.kinds[1];
    EXPECT_EQ(send.runs, 100U);
    const auto upper = [](std::size_t bucket) {
        return static_cast<std::int64_t>(telemetry::Histogram::bucket_upper_ns(bucket) / 1'000);
    };
    EXPECT_EQ(send.wait_p50_us, upper(80));
    EXPECT_EQ(send.wait_p99_us, upper(160));
    EXPECT_EQ(send.run_p99_us, 0) << "nothing has run";
    EXPECT_TRUE(kinds_of("unknown", processes).kinds.empty());
}

}  // namespace
}  // namespace loadstone::jobs
