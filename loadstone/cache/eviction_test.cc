#include "loadstone/cache/internal/eviction.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <list>
#include <string>

namespace loadstone::cache::internal {
namespace {

using Trace = std::vector<std::uint64_t>;

constexpr std::uint64_t entries_max = 500;

// Of the second half of a trace: the first is for what adapts.
double hit_ratio(const Trace& trace, bool adapts) {
    EvictionOptions options;
    options.bytes_max = entries_max;
    options.entry_bytes = 1;
    options.adapts = adapts;
    Eviction cache(options);
    std::size_t hits = 0;
    std::vector<std::uint64_t> gone;
    for (std::size_t i = 0; i < trace.size(); ++i) {
        if (cache.touch(trace[i])) {
            hits += i >= trace.size() / 2 ? 1 : 0;
        } else {
            cache.insert(trace[i], 1, gone);
        }
        EXPECT_LE(cache.bytes(), entries_max);
    }
    return static_cast<double>(2 * hits) / static_cast<double>(trace.size());
}

double lru_hit_ratio(const Trace& trace) {
    std::list<std::uint64_t> order;
    std::unordered_map<std::uint64_t, std::list<std::uint64_t>::iterator> nodes;
    std::size_t hits = 0;
    for (std::size_t i = 0; i < trace.size(); ++i) {
        const std::uint64_t key = trace[i];
        if (const auto found = nodes.find(key); found != nodes.end()) {
            hits += i >= trace.size() / 2 ? 1 : 0;
            order.splice(order.begin(), order, found->second);
            continue;
        }
        order.push_front(key);
        nodes[key] = order.begin();
        if (order.size() <= entries_max) continue;
        nodes.erase(order.back());
        order.pop_back();
    }
    return static_cast<double>(2 * hits) / static_cast<double>(trace.size());
}

// Zipf's law by the method of Gray et al. (Quickly Generating Billion-Record Synthetic Databases,
// 1994); rank 0 is asked for most.
class Zipf {
public:
    Zipf(std::uint64_t n, double theta, std::uint64_t seed) : n_(n), theta_(theta), random_(seed) {
        for (std::uint64_t i = 1; i <= n; ++i) zeta_ += 1 / std::pow(static_cast<double>(i), theta);
        const double zeta2 = 1 + std::pow(0.5, theta);
        alpha_ = 1 / (1 - theta);
        eta_ = (1 - std::pow(2.0 / static_cast<double>(n), 1 - theta)) / (1 - zeta2 / zeta_);
    }
    std::uint64_t next() {
        const double u = random_.uniform(), uz = u * zeta_;
        if (uz < 1) return 0;
        if (uz < 1 + std::pow(0.5, theta_)) return 1;
        return static_cast<std::uint64_t>(static_cast<double>(n_) *
                                          std::pow(eta_ * u - eta_ + 1, alpha_));
    }

private:
    std::uint64_t n_;
    double theta_, zeta_ = 0, alpha_ = 0, eta_ = 0;
    Random random_;
};

constexpr std::size_t requests = 400'000;

Trace zipf() {
    Zipf next(20'000, 0.9, 1);
    Trace trace;
    for (std::size_t i = 0; i < requests; ++i) trace.push_back(next.next());
    return trace;
}
// A popular set, and between its requests keys that are asked for once.
Trace zipf_with_scans() {
    Zipf next(20'000, 0.9, 2);
    Trace trace;
    std::uint64_t once = 1'000'000;
    while (trace.size() < requests) {
        for (int i = 0; i < 2'000; ++i) trace.push_back(next.next());
        for (int i = 0; i < 2'000; ++i) trace.push_back(once++);
    }
    return trace;
}
Trace loop() {
    Trace trace;
    for (std::size_t i = 0; i < requests; ++i) trace.push_back(i % 700);
    return trace;
}
// What is popular is another set after a while.
Trace shifting() {
    Zipf next(20'000, 0.9, 3);
    Trace trace;
    for (std::size_t i = 0; i < requests; ++i)
        trace.push_back(next.next() + 1'000'000 * (i / 50'000));
    return trace;
}
// Each key a few times soon after each other and never again: only recency helps, and a small
// window fails.
Trace recent() {
    Random random(4);
    Trace trace;
    for (std::size_t i = 0; i < 2 * requests; ++i) {  // it takes its time to climb
        const std::uint64_t newest = i / 3;
        trace.push_back(newest - std::min<std::uint64_t>(newest, random.below(300)));
    }
    return trace;
}

void expect_best(const char* name, const Trace& trace) {
    const double ours = hit_ratio(trace, true), fixed = hit_ratio(trace, false),
                 lru = lru_hit_ratio(trace);
    EXPECT_GE(ours, std::max(fixed, lru) - 0.01) << name << ": static " << fixed << ", LRU " << lru;
    testing::Test::RecordProperty(name, std::to_string(ours));
}

TEST(Eviction, IsAsGoodAsTheBetterOfLruAndAStaticWindow) {
    expect_best("zipf", zipf());
    expect_best("zipf_and_scans", zipf_with_scans());
    expect_best("loop", loop());
    expect_best("shifting", shifting());
    expect_best("recent", recent());
}

TEST(Eviction, KeepsToItsBytesWithEntriesOfAllSizes) {
    EvictionOptions options;
    options.bytes_max = 10'000;
    Eviction cache(options);
    Random random(7);
    std::size_t inserted = 0, gone_count = 0;
    for (int i = 0; i < 50'000; ++i) {
        const std::uint64_t key = random.below(5'000);
        if (cache.touch(key)) {
            if (random.below(10) == 0) {
                cache.remove(key);
                ++gone_count;
            }
            continue;
        }
        std::vector<std::uint64_t> gone;
        cache.insert(key, 1 + random.below(2'000), gone);
        ++inserted;
        gone_count += gone.size();
        ASSERT_LE(cache.bytes(), options.bytes_max);
        ASSERT_EQ(cache.size(), inserted - gone_count);
    }
}

TEST(Eviction, RefusesWhatIsLargerThanAll) {
    EvictionOptions options;
    options.bytes_max = 100;
    Eviction cache(options);
    std::vector<std::uint64_t> gone;
    cache.insert(1, 101, gone);
    EXPECT_EQ(gone, std::vector<std::uint64_t>{1});
    EXPECT_EQ(cache.bytes(), 0U);
}

}  // namespace
}  // namespace loadstone::cache::internal
