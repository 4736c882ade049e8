// The whole queue in deterministic simulation: the real runner and the real statements, with
// virtual time, seeded faults and a history checker. 500 seeds; others by the environment:
//
//     LOADSTONE_SEEDS=1:100000 build/release/test/simulation_test
//     LOADSTONE_SEEDS=4711 ...        one again, with its story

#include <gtest/gtest.h>
#include <malloc.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "loadstone/base/log.h"
#include "tests/simulation/world.h"

namespace tests::simulation {
namespace {

struct Seeds {
    std::uint64_t first = 1, last = 500;
};

Seeds seeds() {
    Seeds chosen;
    const char* const text = std::getenv("LOADSTONE_SEEDS");
    if (text == nullptr) return chosen;
    char* end = nullptr;
    chosen.first = chosen.last = std::strtoull(text, &end, 10);
    if (*end == ':') chosen.last = std::strtoull(end + 1, nullptr, 10);
    return chosen;
}

std::string report(const World& world, const std::string& failure, std::uint64_t seed) {
    std::string text = "seed " + std::to_string(seed) + ": " + failure + "\n";
    for (const std::string& line : world.story()) text += line + "\n";
    return text + "again: LOADSTONE_SEEDS=" + std::to_string(seed);
}

TEST(JobsSimulation, KeepsItsPromisesInEverySeed) {
    const Seeds chosen = seeds();
    // The heap of a seed would be fetched and given back page by page: a third of the time.
    mallopt(M_TOP_PAD, 64 << 20);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    const bool is_one = chosen.first == chosen.last;
    if (!is_one)
        loadstone::log::configure(loadstone::log::Level::none, loadstone::log::Format::text);
    int failures = 0, suspects_seen = 0, ticks_seen = 0;
    for (std::uint64_t seed = chosen.first; seed <= chosen.last && failures < 5; ++seed) {
        World world(seed);
        const std::string failure = world.play();
        suspects_seen += world.suspects_seen();
        ticks_seen += world.ticks_seen();
        if (failure.empty()) continue;
        ++failures;
        ADD_FAILURE() << report(world, failure, seed);
    }
    if (chosen.last - chosen.first < 100) return;
    // Or nothing of all that was put to the test.
    EXPECT_GT(suspects_seen, 0);
    EXPECT_GT(ticks_seen, 0);
    for (const char* none :
         {"loadstone_jobs_limit_loans_total 0\n", "loadstone_jobs_claims_lent_total 0\n"})
        EXPECT_EQ(registry().prometheus().find(none), std::string::npos) << none;
}

// Whatever has been played before it.
TEST(JobsSimulation, ASeedThatIsPlayedAgainReplays) {
    loadstone::log::configure(loadstone::log::Level::none, loadstone::log::Format::text);
    std::size_t claims = 0;
    std::vector<std::string> stories;
    std::vector<std::vector<Claim>> played;
    for (int round = 0; round < 2; ++round) {
        for (std::uint64_t seed = 1; seed <= 10; ++seed) {
            World world(seed);
            const std::string failure = world.play();
            std::string story = report(world, failure, seed);
            if (round == 0) {
                claims += world.claims().size();
                stories.push_back(std::move(story));
                played.push_back(world.claims());
                continue;
            }
            EXPECT_EQ(story, stories[seed - 1]);
            EXPECT_TRUE(world.claims() == played[seed - 1]) << "the claims of seed " << seed;
        }
    }
    EXPECT_GT(claims, 100U);
    EXPECT_NE(stories[0], stories[1]);
}

}  // namespace
}  // namespace tests::simulation
