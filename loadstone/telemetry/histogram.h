#pragma once
// Histogram: latencies in log-linear buckets (as HdrHistogram: 8 sub-buckets a power of two, so a
// quantile is off by at most 12.5 %), 1 us to 73 minutes, fixed memory of 2 KB. What is shorter or
// longer is counted in the first or last bucket. One thread writes, any thread reads a torn-free
// copy of each bucket.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace loadstone::telemetry {

struct HistogramCounts {
    static constexpr std::size_t buckets = 256;
    std::array<std::uint64_t, buckets> counts{};
    std::uint64_t total = 0;
    std::uint64_t sum_ns = 0;

    void add(const HistogramCounts& other) noexcept;
    // This minus an earlier copy of the same histogram; never below 0.
    HistogramCounts since(const HistogramCounts& earlier) const noexcept;
    // Upper bound of the bucket in which quantile q (0..1) lies, ns; 0 if empty.
    std::uint64_t quantile_ns(double q) const noexcept;
};

class Histogram {
public:
    void record(std::uint64_t ns) noexcept;                  // one writer at a time
    void read_into(HistogramCounts& counts) const noexcept;  // overwrites `counts`

    static std::size_t bucket_of(std::uint64_t ns) noexcept;
    // The first value above the bucket.
    static std::uint64_t bucket_upper_ns(std::size_t bucket) noexcept;

private:
    std::array<std::atomic<std::uint64_t>, HistogramCounts::buckets> counts_{};
    std::atomic<std::uint64_t> sum_ns_{0};
};

}  // namespace loadstone::telemetry
