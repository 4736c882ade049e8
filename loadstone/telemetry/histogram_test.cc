#include "loadstone/telemetry/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "loadstone/base/random.h"

namespace loadstone::telemetry {
namespace {

constexpr std::uint64_t smallest = 1U << 10;
constexpr std::uint64_t above_all = std::uint64_t{1} << 42;

HistogramCounts counts_of(const Histogram& histogram) {
    HistogramCounts counts;
    histogram.read_into(counts);
    return counts;
}

TEST(Histogram, BucketsCoverTheRangeWithoutGaps) {
    EXPECT_EQ(Histogram::bucket_of(0), 0U);
    EXPECT_EQ(Histogram::bucket_of(smallest), 0U);
    for (std::size_t bucket = 0; bucket + 1 < HistogramCounts::buckets; ++bucket) {
        const std::uint64_t upper = Histogram::bucket_upper_ns(bucket);
        EXPECT_EQ(Histogram::bucket_of(upper - 1), bucket);
        EXPECT_EQ(Histogram::bucket_of(upper), bucket + 1);
    }
    EXPECT_EQ(Histogram::bucket_upper_ns(HistogramCounts::buckets - 1), above_all);
    EXPECT_EQ(Histogram::bucket_of(above_all - 1), HistogramCounts::buckets - 1);
    EXPECT_EQ(Histogram::bucket_of(above_all), HistogramCounts::buckets - 1);
    EXPECT_EQ(Histogram::bucket_of(~std::uint64_t{0}), HistogramCounts::buckets - 1);
}

TEST(Histogram, QuantilesAreAtMostAnEighthTooHigh) {
    Random random(20260101);
    for (const std::uint64_t scale : {std::uint64_t{2'000}, std::uint64_t{700'000},
                                      std::uint64_t{90'000'000}, std::uint64_t{60'000'000'000}}) {
        Histogram histogram;
        std::vector<std::uint64_t> values;
        for (int i = 0; i < 5'000; ++i) {
            // Squared, so that the tail is long.
            const double u = random.uniform();
            values.push_back(smallest +
                             static_cast<std::uint64_t>(u * u * static_cast<double>(scale)));
            histogram.record(values.back());
        }
        std::sort(values.begin(), values.end());
        const HistogramCounts counts = counts_of(histogram);
        for (const double q : {0.001, 0.1, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0}) {
            const auto rank =
                static_cast<std::size_t>(q * static_cast<double>(values.size()) + 0.999999);
            const auto truth = static_cast<double>(values[rank - 1]);
            const auto told = static_cast<double>(counts.quantile_ns(q));
            EXPECT_GT(told, truth) << "q " << q << " scale " << scale;
            EXPECT_LE(told, truth * 1.125) << "q " << q << " scale " << scale;
        }
    }
}

TEST(Histogram, QuantileOfNothingIsZero) {
    const HistogramCounts counts;
    EXPECT_EQ(counts.quantile_ns(0.99), 0U);
}

TEST(Histogram, QuantileOutsideZeroToOneIsTheNearerEnd) {
    Histogram histogram;
    histogram.record(2'000);
    histogram.record(3'000'000);
    const HistogramCounts counts = counts_of(histogram);
    EXPECT_EQ(counts.quantile_ns(-1), counts.quantile_ns(0));
    EXPECT_EQ(counts.quantile_ns(2), counts.quantile_ns(1));
    EXPECT_LT(counts.quantile_ns(0), counts.quantile_ns(1));
}

TEST(Histogram, CountsAddUpAndSubtract) {
    Histogram histogram;
    histogram.record(5'000);
    const HistogramCounts earlier = counts_of(histogram);
    histogram.record(5'000);
    histogram.record(80'000);
    const HistogramCounts later = counts_of(histogram);

    const HistogramCounts between = later.since(earlier);
    EXPECT_EQ(between.total, 2U);
    EXPECT_EQ(between.sum_ns, 85'000U);
    EXPECT_EQ(between.counts[Histogram::bucket_of(5'000)], 1U);
    EXPECT_EQ(between.counts[Histogram::bucket_of(80'000)], 1U);

    HistogramCounts sum = earlier;
    sum.add(between);
    EXPECT_EQ(sum.total, later.total);
    EXPECT_EQ(sum.sum_ns, later.sum_ns);
    EXPECT_EQ(sum.counts, later.counts);
    EXPECT_EQ(earlier.since(later).total, 0U);
    EXPECT_EQ(earlier.since(later).sum_ns, 0U);
}

}  // namespace
}  // namespace loadstone::telemetry
