// Views on every database: what is computed, when, and that no answer is older than asked for.

#include <thread>

#include "loadstone/base/random.h"
#include "loadstone/base/timestamp.h"
#include "tests/conformance/views/node.h"

namespace tests::conformance::views {

namespace {

using std::chrono::seconds;

class ViewsTest : public Views {};
LOADSTONE_ON_EVERY_BACKEND(ViewsTest);

using Kept = std::optional<std::int64_t>;

Task<std::int64_t> naive_total(Context& context, Kept* kept, std::int64_t course) {
    if (*kept) co_return **kept;
    const Total total = co_await compute_total(context.reader(), course);
    *kept = total.points;
    co_return total.points;
}

}  // namespace

TEST_P(ViewsTest, AreComputedOnce) {
    Node node(options_);
    node.run(add_point, 1, 1);
    EXPECT_EQ(node.run(cached_total, 1), 1);
    EXPECT_EQ(node.run(cached_total, 1), 1);
    EXPECT_EQ(computations, 1);
    EXPECT_EQ(node.counted("hits"), 1U);
}

TEST_P(ViewsTest, AreComputedAgainAfterAWriteOfWhatTheyRead) {
    Node node(options_);
    node.run(cached_total, 1);
    node.run(cached_total, 2);
    node.run(add_point, 1, 1);
    EXPECT_EQ(node.run(cached_total, 1), 1);
    EXPECT_EQ(node.run(cached_total, 2), 0);
    EXPECT_EQ(computations, 3);  // of the second course once
}

TEST_P(ViewsTest, ByAListDependOnEachOfIt) {
    Node node(options_);
    const std::vector<std::int64_t> courses{1, 2};
    node.run(cached_sum, courses);
    node.run(add_point, 3, 1);
    EXPECT_EQ(node.run(cached_sum, courses), 0);
    EXPECT_EQ(computations, 1);
    node.run(add_point, 2, 1);
    EXPECT_EQ(node.run(cached_sum, courses), 1);
    EXPECT_EQ(computations, 2);
}

TEST_P(ViewsTest, AreComputedAgainAfterAWriteThatDoesNotSayOfWhichKeys) {
    Node node(options_);
    node.run(add_point, 1, 1);
    node.run(add_point, 2, 1);
    node.run(cached_total, 1);
    node.run(cached_total, 2);
    node.run(add_point_everywhere, 1);
    EXPECT_EQ(node.run(cached_total, 1), 2);
    EXPECT_EQ(node.run(cached_total, 2), 2);
    node.run(change_course, 1, 1, 3);
    EXPECT_EQ(node.run(cached_total, 1), 0);
}

TEST_P(ViewsTest, StayAfterAWriteThatIsRolledBackOrOfAnotherTable) {
    Node node(options_);
    node.run(cached_total, 1);
    EXPECT_EQ(code_of([&] { node.run(write_and_fail, 1); }), Errc::conflict);
    const auto before = node.counted("changes");
    node.run(remark, 1);
    EXPECT_EQ(node.counted("changes"), before);  // costs no row
    EXPECT_EQ(node.run(cached_total, 1), 0);
    EXPECT_EQ(computations, 1);
}

TEST_P(ViewsTest, OfOneNodeSeeWhatAnotherCommitted) {
    Node one(options_), other(options_);
    EXPECT_EQ(other.run(cached_total, 1), 0);
    for (int i = 1; i <= 20; ++i) {
        one.run(add_point, 1, 1);
        ASSERT_EQ(other.run(cached_total, 1), i);
    }
}

TEST_P(ViewsTest, AreComputedOnceForAThousandReaders) {
    Node node(options_);
    // What nobody has asked for yet, and what a commit has made untrue since.
    for (const int total : {0, 1}) {
        if (total > 0) node.run(add_point, 1, 1);
        computations = 0;
        release_held.reset();
        is_held = true;
        const auto waits = node.counted("waits");
        std::vector<std::future<std::int64_t>> readers;
        for (int i = 0; i < 1'000; ++i) readers.push_back(node.start(nullptr, cached_total, 1));
        EXPECT_TRUE(wait_until([&] { return node.counted("waits") == waits + 999; }, seconds(20)));
        is_held = false;
        release_held.set();
        for (auto& reader : readers) EXPECT_EQ(reader.get(), total);
        EXPECT_EQ(computations, 1);
    }
}

// Else, while writes go on, each who waits finds that it is untrue by now, and computes for itself.
TEST_P(ViewsTest, GiveToWhoWaitsWhatWasTrueWhenItAsked) {
    Node node(options_);
    is_held = true;
    auto first = node.start(nullptr, cached_total, 1);
    ASSERT_TRUE(wait_until([] { return held == 1; }, seconds(20)));
    auto second = node.start(nullptr, cached_total, 1);
    ASSERT_TRUE(wait_until([&] { return node.counted("waits") == 1; }, seconds(20)));
    node.run(add_point, 1, 1);
    auto third = node.start(nullptr, cached_total, 1);
    ASSERT_TRUE(wait_until([&] { return node.counted("waits") == 2; }, seconds(20)));
    is_held = false;
    release_held.set();
    EXPECT_EQ(first.get(), 0);
    EXPECT_EQ(second.get(), 0);
    EXPECT_EQ(third.get(), 1);
    EXPECT_EQ(computations, 2);
}

TEST_P(ViewsTest, WithATimeAreComputedByOneBeforeItIsOver) {
    Node node(options_);
    node.run(add_point, 1, 1);
    EXPECT_TRUE(wait_until(
        [&] {
            for (int i = 0; i < 1'000; ++i) EXPECT_EQ(node.run(brief_total, 1), 1);
            return node.counted("early") > 0;
        },
        seconds(60)));
}

TEST_P(ViewsTest, GiveAFailureToAllWhoWait) {
    Node node(options_);
    const auto failing = [](Context& context, std::int64_t key) -> Task<std::int64_t> {
        static constexpr auto compute = [](Reader, std::int64_t) -> Task<Total> {
            throw Error(Errc::not_found, "on purpose");
            co_return Total{};
        };
        const cache::View<std::int64_t, Total> view{.name = "views.failing", .compute = compute};
        const Total total = co_await cache::value(context, view, key);
        co_return total.points;
    };
    EXPECT_EQ(code_of([&] { node.run(failing, std::int64_t{1}); }), Errc::not_found);
    EXPECT_EQ(code_of([&] { node.run(failing, std::int64_t{1}); }), Errc::not_found);
}

// The error of eight known caches: a computation reads, a commit follows and invalidates, and then
// the computation stores what it had read.
TEST_P(ViewsTest, DoNotKeepWhatACommitMadeUntrueWhileTheyWereComputed) {
    Node node(options_);
    is_held = true;
    auto reader = node.start(nullptr, cached_total, 1);
    ASSERT_TRUE(wait_until([] { return held == 1; }, seconds(20)));
    node.run(add_point, 1, 1);
    is_held = false;
    release_held.set();
    EXPECT_EQ(reader.get(), 0);  // it began before the commit
    EXPECT_EQ(node.run(cached_total, 1), 1);
}

// The same against a cache that deletes after the commit: it shows that the test finds the error.
TEST_P(ViewsTest, WouldKeepItIfTheyWereInvalidatedByDeletion) {
    Node node(options_);
    Kept kept;
    is_held = true;
    auto reader = node.start(nullptr, naive_total, &kept, std::int64_t{1});
    ASSERT_TRUE(wait_until([] { return held == 1; }, seconds(20)));
    node.run(add_point, 1, 1);
    kept.reset();  // the invalidation
    is_held = false;
    release_held.set();
    reader.get();
    EXPECT_EQ(node.run(naive_total, &kept, std::int64_t{1}), 0);  // stale, and for ever
    EXPECT_EQ(node.run(uncached_total, 1), 1);
}

TEST_P(ViewsTest, KeepToTheirBytes) {
    cache::CacheOptions options;
    options.bytes_max = 64 << 10;
    Node node(options_, options);
    for (std::int64_t course = 0; course < 1'000; ++course) node.run(cached_total, course);
    const std::string text = node.store().registry().prometheus();
    const auto at = text.find("\nloadstone_cache_bytes ");
    ASSERT_NE(at, std::string::npos);
    EXPECT_LE(std::stod(text.substr(at + 23)), 64 << 10);
    EXPECT_GT(node.counted("evictions"), 0U);
}

TEST_P(ViewsTest, LetGoOfWhatWasWrittenThoughNobodyReads) {
    cache::CacheOptions options;
    options.follower.kept = seconds(0);
    Node node(options_, options);
    node.run(add_point, std::int64_t{1}, std::int64_t{1});
    const auto prune = [](Context& context, Node* of) -> Task<void> {
        co_await of->cache().follower().prune(context);
    };
    node.run(prune, &node);
    EXPECT_EQ(node.counted("changes_pruned"), 1U);
}

TEST_P(ViewsTest, SayWhatIsNotDeclared) {
    Node node(options_);
    const auto undeclared = [](Context& context) -> Task<std::string> {
        static constexpr auto compute = [](Reader reader, std::int64_t) -> Task<Total> {
            static constexpr loadstone::store::Query query{"other.one", "select 1",
                                                           "select 1::bigint", 0};
            const auto one = co_await reader.one<std::int64_t>(query);
            co_return Total{one};
        };
        const cache::View<std::int64_t, Total> view{.name = "views.undeclared", .compute = compute};
        const auto found = co_await cache::answer(context, view, std::int64_t{1});
        co_return found.etag;
    };
    EXPECT_EQ(code_of([&] { node.run(undeclared); }), Errc::internal);
}

TEST_P(ViewsTest, FollowManyChangesAtOnce) {
    Node node(options_);
    for (const std::int64_t course : {1, 250}) EXPECT_EQ(node.run(cached_total, course), 0);
    for (std::int64_t course = 1; course <= 250; ++course)
        node.run(add_point, course, std::int64_t{1});
    for (const std::int64_t course : {1, 250}) EXPECT_EQ(node.run(cached_total, course), 1);
    EXPECT_EQ(node.counted("changes_followed"), 250U);
}

// Each write adds a point. So a total is at least what was acknowledged before the read began, and
// at most what had been begun when it ended: anything less is stale.
TEST_P(ViewsTest, AreNeverStale) {
    constexpr int courses = 4, threads = 4;
    const int steps = std::getenv("LOADSTONE_FULL") != nullptr ? 100'000 : 250;
    cache::CacheOptions options;
    options.has_other_nodes = true;
    Node one(options_, options), other(options_, options);
    const std::array<Node*, 2> nodes{&one, &other};
    for (int course = 0; course < courses; ++course) one.run(add_point, course, 0);
    std::array<std::atomic<std::int64_t>, courses> acknowledged{}, begun{};
    for (int course = 0; course < courses; ++course) acknowledged[course] = begun[course] = 1;
    std::atomic<std::int64_t> stale{0}, ahead{0}, reads{0}, failed{0};
    const auto drive = [&](std::uint64_t seed) {
        loadstone::Random random(seed);
        for (int step = 0; step < steps; ++step) {
            Node& node = *nodes[random.below(nodes.size())];
            const auto course = static_cast<std::int64_t>(random.below(courses));
            const auto what = random.below(20);
            try {
                if (what == 0) {
                    for (auto& each : begun) ++each;
                    node.run(add_point_everywhere, 0);
                    for (auto& each : acknowledged) ++each;
                } else if (what < 4) {
                    ++begun[course];
                    node.run(add_point, course, 0);
                    ++acknowledged[course];
                } else {
                    const std::int64_t least = acknowledged[course];
                    const bool is_shared = what % 2 == 0;
                    const std::int64_t found =
                        node.run(is_shared ? shared_total : cached_total, course);
                    ++reads;
                    if (found < least) ++stale;
                    if (found > begun[course]) ++ahead;
                }
            } catch (const Error& error) {
                if (error.code() != Errc::conflict) ++failed;
            }
        }
    };
    const std::uint64_t seed = static_cast<std::uint64_t>(loadstone::Timestamp::now().micros);
    SCOPED_TRACE(seed);
    std::vector<std::thread> running;
    for (std::uint64_t i = 0; i < threads; ++i) running.emplace_back(drive, seed + i);
    for (auto& thread : running) thread.join();
    EXPECT_EQ(stale, 0);
    EXPECT_EQ(ahead, 0);
    EXPECT_EQ(failed, 0);
    EXPECT_GT(one.counted("hits") + other.counted("hits"), 0U);
    EXPECT_GT(one.counted("fills_shared") + other.counted("fills_shared"), 0U);
    for (int course = 0; course < courses; ++course)
        EXPECT_EQ(other.run(cached_total, course), one.run(uncached_total, course));
}

}  // namespace tests::conformance::views
