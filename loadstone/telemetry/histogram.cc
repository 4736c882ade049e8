#include "loadstone/telemetry/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "loadstone/telemetry/internal/single_writer.h"

namespace loadstone::telemetry {
namespace {

// Bucket b holds values whose highest bit is lowest_bit + b / 8 and whose next three bits are b
// % 8.
constexpr int lowest_bit = 10;
constexpr int sub_bits = 3;
constexpr std::uint64_t subs = 1U << sub_bits;

std::uint64_t less_or_0(std::uint64_t a, std::uint64_t b) noexcept { return a > b ? a - b : 0; }

}  // namespace

std::size_t Histogram::bucket_of(std::uint64_t ns) noexcept {
    const std::uint64_t value = std::max(ns, std::uint64_t{1} << lowest_bit);
    const auto bit = static_cast<int>(std::bit_width(value)) - 1;
    const std::uint64_t sub = (value >> (bit - sub_bits)) & (subs - 1);
    const std::size_t bucket = static_cast<std::size_t>(bit - lowest_bit) * subs + sub;
    return std::min(bucket, HistogramCounts::buckets - 1);
}

std::uint64_t Histogram::bucket_upper_ns(std::size_t bucket) noexcept {
    const std::size_t bit = lowest_bit + bucket / subs;
    return (subs + bucket % subs + 1) << (bit - sub_bits);
}

void Histogram::record(std::uint64_t ns) noexcept {
    bump(counts_[bucket_of(ns)], 1);
    bump(sum_ns_, ns);
}

void Histogram::read_into(HistogramCounts& counts) const noexcept {
    counts.total = 0;
    for (std::size_t i = 0; i < HistogramCounts::buckets; ++i) {
        counts.counts[i] = counts_[i].load(std::memory_order_relaxed);
        counts.total += counts.counts[i];
    }
    counts.sum_ns = sum_ns_.load(std::memory_order_relaxed);
}

void HistogramCounts::add(const HistogramCounts& other) noexcept {
    for (std::size_t i = 0; i < buckets; ++i) counts[i] += other.counts[i];
    total += other.total;
    sum_ns += other.sum_ns;
}

HistogramCounts HistogramCounts::since(const HistogramCounts& earlier) const noexcept {
    HistogramCounts difference;
    for (std::size_t i = 0; i < buckets; ++i) {
        difference.counts[i] = less_or_0(counts[i], earlier.counts[i]);
        difference.total += difference.counts[i];
    }
    difference.sum_ns = less_or_0(sum_ns, earlier.sum_ns);
    return difference;
}

std::uint64_t HistogramCounts::quantile_ns(double q) const noexcept {
    if (total == 0) return 0;
    const double rank =
        std::max(1.0, std::ceil(std::clamp(q, 0.0, 1.0) * static_cast<double>(total)));
    std::uint64_t seen = 0;
    std::size_t last = 0;
    for (std::size_t i = 0; i < buckets; ++i) {
        if (counts[i] == 0) continue;
        seen += counts[i];
        last = i;
        if (static_cast<double>(seen) >= rank) break;
    }
    return Histogram::bucket_upper_ns(last);
}

}  // namespace loadstone::telemetry
