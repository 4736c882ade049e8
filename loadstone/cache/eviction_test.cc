#include "loadstone/cache/internal/eviction.h"

#include <gtest/gtest.h>

#include <sstream>
#include <string>

#include "loadstone/base/error.h"
#include "loadstone/base/random.h"
#include "loadstone/cache/testing_traces.h"

namespace loadstone::cache::internal {
namespace {

// A part of what bench/cache_traces.sh replays.
TEST(Eviction, IsAsGoodAsTheBetterOfLruAndAStaticWindow) {
    constexpr std::size_t requests = 200'000;
    for (const testing::Recipe& recipe : testing::recipes(1)) {
        const testing::HitRatios ratios =
            testing::replay(recipe.make(requests), recipe.entries, requests / 2);
        EXPECT_GE(ratios.lead(), -0.01) << recipe.name << ": " << ratios.ours << ", static "
                                        << ratios.fixed << ", LRU " << ratios.lru;
    }
}

TEST(Traces, AreReadInTheFormatsThatTheyComeIn) {
    const auto read = [](std::string_view name, const std::string& text) {
        std::istringstream from(text);
        return testing::read_trace(from, testing::format_of(name));
    };
    EXPECT_EQ(read("P1.lis", "10 3 0 1\n7 1 0 2\n"), (testing::Trace{10, 11, 12, 7}));
    EXPECT_EQ(read("loop.trc", "1\r\n*\n2\n\n"), (testing::Trace{1, 2}));
    const testing::Trace keys = read("keys.txt", "# of a day\n/a\n/b\n/a\n");
    ASSERT_EQ(keys.size(), 3U);
    EXPECT_EQ(keys[0], keys[2]);
    EXPECT_NE(keys[0], keys[1]);
    EXPECT_THROW(read("P1.lis", "10\n"), Error);
    EXPECT_THROW(read("P1.lis", "1 99999999\n"), Error);
    EXPECT_THROW(read("loop.trc", "one\n"), Error);
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
