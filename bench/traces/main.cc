// Replays traces through the cache's eviction, the same with a static window, and LRU, and prints
// which share of the requests each answers. Fails if ours is more than a point behind the better
// of the others.
//
//     cache_traces                          those that are made by recipe
//     cache_traces [--entries N,..] FILE..  of files (testing_traces.h); by default three sizes,
//                                           of 1, 5 and 20 % of the keys

#include <fmt/core.h>

#include <array>
#include <charconv>
#include <fstream>
#include <string>
#include <unordered_set>
#include <vector>

#include "loadstone/base/error.h"
#include "loadstone/cache/testing_traces.h"

namespace {

using namespace loadstone::cache::testing;

constexpr double behind_max = 0.01;
struct Size {
    std::size_t scale, requests;
};
constexpr std::array<Size, 2> sizes_made{{{1, 1'000'000}, {40, 8'000'000}}};

// Whether it is good enough.
bool print(const std::string& name, std::uint64_t entries, const HitRatios& ratios) {
    const bool is_good = ratios.lead() >= -behind_max;
    fmt::print("{:<4} {:<32} {:>9} {:>8.2f} {:>8.2f} {:>8.2f} {:>+8.2f}\n", is_good ? "ok" : "FAIL",
               name, entries, 100 * ratios.ours, 100 * ratios.fixed, 100 * ratios.lru,
               100 * ratios.lead());
    return is_good;
}

std::vector<std::uint64_t> numbers(const std::string& text) {
    std::vector<std::uint64_t> all;
    const char* at = text.data();
    const char* const end = at + text.size();
    while (at < end) {
        std::uint64_t number = 0;
        const auto [next, error] = std::from_chars(at, end, number);
        if (error != std::errc() || number == 0)
            throw loadstone::Error(loadstone::Errc::invalid_argument,
                                   fmt::format("--entries {}: not numbers", text));
        all.push_back(number);
        at = next + 1;
    }
    return all;
}

bool replay_made() {
    bool is_good = true;
    for (const auto& [scale, requests] : sizes_made) {
        for (const Recipe& recipe : recipes(scale)) {
            const Trace trace = recipe.make(requests);
            is_good &=
                print(recipe.name, recipe.entries, replay(trace, recipe.entries, requests / 2));
        }
    }
    return is_good;
}

bool replay_file(const std::string& path, std::vector<std::uint64_t> sizes) {
    std::ifstream file(path);
    if (!file)
        throw loadstone::Error(loadstone::Errc::not_found, fmt::format("{}: no such file", path));
    const Trace trace = read_trace(file, format_of(path));
    const std::uint64_t keys = std::unordered_set<std::uint64_t>(trace.begin(), trace.end()).size();
    if (sizes.empty()) sizes = {keys / 100, keys / 20, keys / 5};
    bool is_good = true;
    const std::string name = path.substr(path.rfind('/') + 1);
    for (const std::uint64_t entries : sizes) {
        if (entries == 0) continue;
        is_good &= print(name, entries, replay(trace, entries, 0));
    }
    return is_good;
}

}  // namespace

int main(int count, char** values) {
    std::vector<std::string> files(values + 1, values + count);
    try {
        std::vector<std::uint64_t> sizes;
        if (files.size() >= 2 && files[0] == "--entries") {
            sizes = numbers(files[1]);
            files.erase(files.begin(), files.begin() + 2);
        }
        fmt::print("{:<4} {:<32} {:>9} {:>8} {:>8} {:>8} {:>8}\n", "", "trace", "entries", "ours",
                   "static", "LRU", "lead");
        bool is_good = true;
        if (files.empty()) is_good = replay_made();
        for (const std::string& path : files) is_good &= replay_file(path, sizes);
        return is_good ? 0 : 1;
    } catch (const std::exception& error) {
        fmt::print(stderr, "{}\n", error.what());
        return 2;
    }
}
