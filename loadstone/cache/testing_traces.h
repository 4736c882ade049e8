#pragma once
// Traces for tests and benches of eviction: what was asked for, in order; made by published recipes
// or read from files, and replayed through our eviction, one with a static window, and LRU.

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <functional>
#include <istream>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "loadstone/base/error.h"
#include "loadstone/base/random.h"
#include "loadstone/cache/internal/eviction.h"

namespace loadstone::cache::testing {

using Trace = std::vector<std::uint64_t>;

// Shares of the requests that were answered, of those after the first `warm`.
struct HitRatios {
    double ours = 0, fixed = 0, lru = 0;

    // Ours less the better of the others; 0.01 is a point.
    double lead() const noexcept { return ours - std::max(fixed, lru); }
};

inline double of_those_after(const Trace& trace, std::size_t warm, auto&& is_hit) {
    std::size_t hits = 0;
    for (std::size_t i = 0; i < trace.size(); ++i) {
        const bool hit = is_hit(trace[i]);
        hits += hit && i >= warm ? 1 : 0;
    }
    return static_cast<double>(hits) / static_cast<double>(std::max<std::size_t>(
                                           trace.size() - std::min(warm, trace.size()), 1));
}

// Keys that follow each other are no hashes, which eviction wants.
inline std::uint64_t hashed(std::uint64_t key) {
    key = (key ^ (key >> 30U)) * 0xBF58'476D'1CE4'E5B9U;
    key = (key ^ (key >> 27U)) * 0x94D0'49BB'1331'11EBU;
    return key ^ (key >> 31U);
}

inline double evicting(const Trace& trace, std::uint64_t entries, std::size_t warm, bool adapts) {
    internal::EvictionOptions options;
    options.bytes_max = entries;
    options.entry_bytes = 1;
    options.adapts = adapts;
    internal::Eviction cache(options);
    std::vector<std::uint64_t> gone;
    return of_those_after(trace, warm, [&](std::uint64_t key) {
        if (cache.touch(key)) return true;
        gone.clear();
        cache.insert(key, 1, gone);
        return false;
    });
}

inline double lru(const Trace& trace, std::uint64_t entries, std::size_t warm) {
    std::list<std::uint64_t> order;
    std::unordered_map<std::uint64_t, std::list<std::uint64_t>::iterator> nodes;
    return of_those_after(trace, warm, [&](std::uint64_t key) {
        if (const auto found = nodes.find(key); found != nodes.end()) {
            order.splice(order.begin(), order, found->second);
            return true;
        }
        order.push_front(key);
        nodes[key] = order.begin();
        if (order.size() > entries) {
            nodes.erase(order.back());
            order.pop_back();
        }
        return false;
    });
}

inline std::uint64_t number_in(std::string_view& text, std::size_t line) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc())
        throw Error(Errc::invalid_argument, fmt::format("line {}: no number: {}", line, text));
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return number;
}

// The sum of weights up to each rank: of any skew, and exact.
class Zipf {
public:
    Zipf(std::size_t keys, double skew, std::uint64_t seed) : random_(seed) {
        double sum = 0;
        for (std::size_t rank = 1; rank <= keys; ++rank)
            sums_.push_back(sum += std::pow(static_cast<double>(rank), -skew));
    }
    std::uint64_t next() {
        const auto at = std::ranges::lower_bound(sums_, random_.uniform() * sums_.back());
        return static_cast<std::uint64_t>(at - sums_.begin());
    }

private:
    std::vector<double> sums_;
    Random random_;
};

// All are made `scale` times as large: keys, and what comes before one is asked for again.
inline Trace zipf(double skew, std::size_t scale, std::size_t requests) {
    Zipf next(20'000 * scale, skew, 1);
    Trace trace;
    while (trace.size() < requests) trace.push_back(next.next());
    return trace;
}
// A popular set, and between its requests keys that are asked for once.
inline Trace zipf_with_scans(std::size_t scale, std::size_t requests) {
    Zipf next(20'000 * scale, 0.9, 2);
    Trace trace;
    std::uint64_t once = 1'000'000'000;
    while (trace.size() < requests) {
        for (std::size_t i = 0; i < 2'000 * scale; ++i) trace.push_back(next.next());
        for (std::size_t i = 0; i < 2'000 * scale; ++i) trace.push_back(once++);
    }
    return trace;
}
inline Trace loop(std::uint64_t length, std::size_t requests) {
    Trace trace;
    for (std::size_t i = 0; i < requests; ++i) trace.push_back(i % length);
    return trace;
}
// What is popular is another set after a while.
inline Trace shifting(std::size_t scale, std::size_t requests) {
    Zipf next(20'000 * scale, 0.9, 3);
    Trace trace;
    for (std::size_t i = 0; i < requests; ++i)
        trace.push_back(next.next() + 1'000'000'000 * (i / (50'000 * scale)));
    return trace;
}
// Each key a few times soon after each other and never again: only recency helps, and a small
// window fails.
inline Trace recent(std::size_t scale, std::size_t requests) {
    Random random(4);
    Trace trace;
    for (std::size_t i = 0; i < requests; ++i) {
        const std::uint64_t newest = i / 3;
        trace.push_back(newest - std::min<std::uint64_t>(newest, random.below(300 * scale)));
    }
    return trace;
}
// Four phases, in which now the one and now the other helps.
inline Trace recent_then_frequent(std::size_t scale, std::size_t requests) {
    Trace trace;
    for (std::uint64_t phase = 0; phase < 4; ++phase) {
        Trace part =
            phase % 2 == 0 ? recent(scale, requests / 4) : zipf_with_scans(scale, requests / 4);
        for (const std::uint64_t key : part) trace.push_back(key + phase * 10'000'000'000);
    }
    return trace;
}

// `entries`: how many keys the cache holds.
inline HitRatios replay(const Trace& trace, std::uint64_t entries, std::size_t warm) {
    Trace hashes(trace.size());
    std::ranges::transform(trace, hashes.begin(), hashed);
    HitRatios ratios;
    ratios.ours = evicting(hashes, entries, warm, true);
    ratios.fixed = evicting(hashes, entries, warm, false);
    ratios.lru = lru(hashes, entries, warm);
    return ratios;
}

// keys: one a line, any text. arc: "start count ...", count blocks from start on, as in the traces
// of Megiddo and Modha (ARC, 2003). lirs: a number a line, "*" between phases, as in those of Jiang
// and Zhang (LIRS, 2002). Empty lines and "#" are left out.
enum class Format { keys, arc, lirs };
// By the end of the name: .lis is arc, .trc is lirs, all else keys.
inline Format format_of(std::string_view path) {
    if (path.ends_with(".lis")) return Format::arc;
    if (path.ends_with(".trc")) return Format::lirs;
    return Format::keys;
}

// Errors: invalid_argument, with the line, for one that is not of the format.
inline Trace read_trace(std::istream& from, Format format) {
    // A line of a damaged file must not fill the memory.
    constexpr std::uint64_t count_max = 1 << 20;
    Trace trace;
    std::string text;
    for (std::size_t line = 1; std::getline(from, text); ++line) {
        if (!text.empty() && text.back() == '\r') text.pop_back();
        if (text.empty() || text.front() == '#') continue;
        std::string_view rest = text;
        switch (format) {
            case Format::keys: trace.push_back(std::hash<std::string>()(text)); break;
            case Format::lirs:
                if (text.front() != '*') trace.push_back(number_in(rest, line));
                break;
            case Format::arc: {
                const std::uint64_t start = number_in(rest, line), count = number_in(rest, line);
                if (count > count_max)
                    throw Error(
                        Errc::invalid_argument,
                        fmt::format("line {}: {} blocks, more than {}", line, count, count_max));
                for (std::uint64_t i = 0; i < count; ++i) trace.push_back(start + i);
                break;
            }
        }
    }
    return trace;
}

struct Recipe {
    std::string name;
    std::uint64_t entries;
    std::function<Trace(std::size_t requests)> make;
};
// Zipf's law of several skews, with scans, with other keys after a while; loops; recency; and
// recency, then frequency, in turn. Of 500 entries, `scale` times.
inline std::vector<Recipe> recipes(std::size_t scale) {
    const std::uint64_t entries = 500 * scale;
    std::vector<Recipe> all;
    const auto add = [&](std::string name, auto make) {
        all.push_back({std::move(name), entries, std::move(make)});
    };
    for (const double skew : {0.6, 0.8, 0.9, 1.0, 1.2})
        add(fmt::format("zipf {}", skew), [=](std::size_t n) { return zipf(skew, scale, n); });
    add("zipf and scans", [=](std::size_t n) { return zipf_with_scans(scale, n); });
    for (const std::uint64_t length : {entries + 1, entries * 7 / 5, entries * 4})
        add(fmt::format("loop of {}", length), [=](std::size_t n) { return loop(length, n); });
    add("shifting", [=](std::size_t n) { return shifting(scale, n); });
    add("recent", [=](std::size_t n) { return recent(scale, n); });
    add("recent, frequent", [=](std::size_t n) { return recent_then_frequent(scale, n); });
    return all;
}

}  // namespace loadstone::cache::testing
