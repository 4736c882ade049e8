// What sessions are shown by views, which carry from node to node what they have seen: never less
// than that, and with as few questions to the database as that allows.

#include <numeric>
#include <thread>

#include "loadstone/base/random.h"
#include "loadstone/base/timestamp.h"
#include "tests/conformance/views/node.h"

namespace tests::conformance::views {

namespace {

using loadstone::runtime::Position;
using std::chrono::milliseconds;

class SessionsTest : public Views {};
LOADSTONE_ON_EVERY_BACKEND(SessionsTest);

constexpr std::int64_t courses = 4;

// What one session has seen at least, of each course. Totals only grow.
class Witness {
public:
    // Of a write: one more than was seen.
    void wrote(std::int64_t course) { ++least_[course]; }
    bool saw(std::int64_t course, std::int64_t points) {
        const bool is_right = points >= least_[course];
        least_[course] = std::max(least_[course], points);
        return is_right;
    }
    bool saw_sum(std::int64_t points) const {
        return points >= std::accumulate(least_.begin(), least_.end(), std::int64_t{0});
    }

private:
    std::array<std::int64_t, courses> least_{};
};

std::uint64_t polls_of(Node& node, const std::function<void()>& work) {
    const auto before = node.counted("polls");
    work();
    return node.counted("polls") - before;
}

}  // namespace

TEST_P(SessionsTest, NeverGoBackNorMissWhatTheyWrote) {
    constexpr int threads = 4;
    const int steps = std::getenv("LOADSTONE_FULL") != nullptr ? 100'000 : 400;
    cache::CacheOptions options;
    options.has_other_nodes = true;
    Node one(options_, options), other(options_, options);
    const std::array<Node*, 2> nodes{&one, &other};
    std::atomic<std::int64_t> less{0}, failed{0};
    const auto drive = [&](std::uint64_t seed) {
        loadstone::Random random(seed);
        Position session;
        Witness witness;
        std::vector<std::int64_t> all(courses);
        std::iota(all.begin(), all.end(), 0);
        // They stay for a while, so that it matters what a node has asked already.
        Node* node = &one;
        for (int step = 0; step < steps; ++step) {
            if (random.below(4) == 0) node = nodes[random.below(nodes.size())];
            const auto course = static_cast<std::int64_t>(random.below(courses));
            const auto what = random.below(10);
            bool is_right = true;
            try {
                if (what == 0) {
                    node->start(&session, add_point, course, std::int64_t{0}).get();
                    witness.wrote(course);
                } else if (what < 3) {
                    auto read = node->start(&session, uncached_total, course);
                    is_right = witness.saw(course, read.get());
                } else if (what < 5) {
                    is_right = witness.saw_sum(node->start(&session, cached_sum, all).get());
                } else {
                    auto read = what == 5 ? node->start(&session, shared_total, course)
                                          : node->start(&session, cached_total, course);
                    is_right = witness.saw(course, read.get());
                }
            } catch (const Error& error) {
                if (error.code() != Errc::conflict) ++failed;
            }
            if (!is_right) ++less;
        }
    };
    const auto seed = static_cast<std::uint64_t>(loadstone::Timestamp::now().micros);
    SCOPED_TRACE(seed);
    std::vector<std::thread> running;
    for (std::uint64_t i = 0; i < threads; ++i) running.emplace_back(drive, seed + i);
    for (auto& thread : running) thread.join();
    EXPECT_EQ(less, 0);
    EXPECT_EQ(failed, 0);
    for (Node* node : nodes) EXPECT_GT(node->counted("hits"), node->counted("polls") / 2);
}

TEST_P(SessionsTest, AreAnsweredWithoutAQuestionWhenThatShowsWhatTheyHaveSeen) {
    Node node(options_);
    Position session;
    node.start(&session, add_point, std::int64_t{1}, std::int64_t{1}).get();
    for (Position seen : {session, Position{}}) {
        ASSERT_EQ(node.start(&seen, cached_total, std::int64_t{1}).get(), 1);
        const auto began = std::chrono::steady_clock::now();
        const auto polls = polls_of(node, [&] {
            for (int i = 0; i < 300; ++i)
                ASSERT_EQ(node.start(&seen, cached_total, std::int64_t{1}).get(), 1);
        });
        // Ten times a second excepted.
        const auto tenths = (std::chrono::steady_clock::now() - began) / milliseconds(100);
        EXPECT_LE(polls, static_cast<std::uint64_t>(tenths) + 10)
            << "loops' first reads among them";
    }
}

TEST_P(SessionsTest, AreShownWhatTheirNodeHasWrittenThoughTheyCarryNothing) {
    Node node(options_);
    for (std::int64_t points = 1; points <= 20; ++points) {
        Position nothing;
        node.run(add_point, std::int64_t{1}, std::int64_t{1});
        EXPECT_EQ(node.start(&nothing, cached_total, std::int64_t{1}).get(), points);
    }
}

// A plain read may have shown what another node has written since the last question.
TEST_P(SessionsTest, AreShownWhatTheyHaveReadElsewhere) {
    Node node(options_), other(options_);
    Position session;
    for (std::int64_t points = 1; points <= 20; ++points) {
        ASSERT_EQ(node.start(&session, cached_total, std::int64_t{1}).get(), points - 1);
        other.run(add_point, std::int64_t{1}, std::int64_t{1});
        Node& read = points % 2 == 0 ? node : other;
        ASSERT_EQ(read.start(&session, uncached_total, std::int64_t{1}).get(), points);
        EXPECT_EQ(node.start(&session, cached_total, std::int64_t{1}).get(), points);
    }
}

// On SQLite, where they carry nothing, the age counts alone.
TEST_P(SessionsTest, AreShownNothingOlderThanTheyHaveSeenThoughItsAgeWouldDo) {
    if (GetParam() == Backend::sqlite) return;
    Node node(options_), other(options_);
    ASSERT_EQ(node.run(cached_total, std::int64_t{1}), 0);
    other.run(add_point, std::int64_t{1}, std::int64_t{1});
    Position nothing, session;
    EXPECT_EQ(node.start(&nothing, old_total, std::int64_t{1}).get(), 0);
    ASSERT_EQ(other.start(&session, uncached_total, std::int64_t{1}).get(), 1);
    EXPECT_EQ(node.start(&session, old_total, std::int64_t{1}).get(), 1);
}

// By whoever computes it, or has computed it before.
TEST_P(SessionsTest, CarryWhatAStaleAnswerAndAFailureHaveShown) {
    const bool has_moments = GetParam() != Backend::sqlite;
    Node node(options_), other(options_);
    Position first, stale, waiter;
    EXPECT_EQ(node.start(&first, patient_total, std::int64_t{1}).get(), 0);
    other.run(add_point, std::int64_t{1}, std::int64_t{1});
    is_held = true;
    auto computing = node.start(nullptr, patient_total, std::int64_t{1});
    ASSERT_TRUE(wait_until([] { return held == 1; }, std::chrono::seconds(20)));
    EXPECT_EQ(node.start(&stale, patient_total, std::int64_t{1}).get(), -1);
    EXPECT_EQ(stale.is_moment(), has_moments);
    auto failing = node.start(nullptr, failing_total, std::int64_t{1});
    ASSERT_TRUE(wait_until([] { return held == 2; }, std::chrono::seconds(20)));
    auto waiting = node.start(&waiter, failing_total, std::int64_t{1});
    EXPECT_TRUE(wait_until([&] { return node.counted("waits") == 1; }, std::chrono::seconds(20)));
    is_held = false;
    release_held.set();
    EXPECT_EQ(computing.get(), 1);
    EXPECT_EQ(code_of([&] { failing.get(); }), Errc::not_found);
    EXPECT_EQ(code_of([&] { waiting.get(); }), Errc::not_found);
    EXPECT_EQ(waiter.is_moment(), has_moments);
}

// Answered from what is known, and all the same asked for: how long that takes is to be known.
TEST_P(SessionsTest, AreAskedForMoreOftenWhileViewsAreComputed) {
    const auto measured = [&](milliseconds every) {
        cache::CacheOptions options;
        options.follow_every = std::chrono::seconds(10);
        options.measure_every = every;
        Node node(options_, options);
        node.run(cached_total, std::int64_t{1});
        const auto read_some = [&] {
            Position nothing;
            for (int i = 0; i < 20; ++i) node.start(&nothing, cached_total, std::int64_t{1}).get();
            return node.counted("measurements");
        };
        EXPECT_EQ(read_some(), 0U);
        held = 0;
        release_held.reset();
        is_held = true;
        auto computing = node.start(nullptr, cached_total, std::int64_t{2});
        EXPECT_TRUE(wait_until([] { return held == 1; }, std::chrono::seconds(20)));
        const auto count = read_some();
        is_held = false;
        release_held.set();
        computing.get();
        return count;
    };
    if (GetParam() == Backend::sqlite)
        EXPECT_EQ(measured(milliseconds(0)), 0U);
    else
        EXPECT_GT(measured(milliseconds(0)), 0U);
    EXPECT_EQ(measured(std::chrono::seconds(10)), 0U);
}

// SQLite tells without being asked, but for a loop's first read.
TEST_P(SessionsTest, AreAskedForEachTimeWhereThatIsWished) {
    cache::CacheOptions options;
    options.follow_every = milliseconds(0);
    Node node(options_, options);
    Position nothing;
    const auto polls = polls_of(node, [&] {
        for (int i = 0; i < 50; ++i) node.start(&nothing, cached_total, std::int64_t{1}).get();
    });
    if (GetParam() == Backend::sqlite)
        EXPECT_LE(polls, 8U);
    else
        EXPECT_EQ(polls, 50U);
}

}  // namespace tests::conformance::views
