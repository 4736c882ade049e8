// Views that one node computes for all.

#include "tests/conformance/views/node.h"

namespace tests::conformance::views {

namespace {

using std::chrono::seconds;

cache::CacheOptions with_others(std::chrono::milliseconds lease = seconds(20)) {
    cache::CacheOptions options;
    options.has_other_nodes = true;
    options.fills.lease = lease;
    return options;
}

// Both have followed the database before.
class FillsTest : public Views {
protected:
    static void warm(Node& one, Node& other) {
        for (Node* node : {&one, &other}) node->run(cached_total, 1'000);
        computations = 0;
    }
    static std::uint64_t counted(const std::string& name, Node& one, Node& other) {
        return one.counted(name) + other.counted(name);
    }
};
LOADSTONE_ON_EVERY_BACKEND(FillsTest);

}  // namespace

TEST_P(FillsTest, AreOneComputationForAThousandReadersOfTwoNodes) {
    Node one(options_, with_others()), other(options_, with_others());
    one.run(add_point, 1, 1);
    warm(one, other);
    is_held = true;
    std::vector<std::future<std::int64_t>> readers;
    for (int i = 0; i < 500; ++i) {
        readers.push_back(one.start(nullptr, shared_total, 1));
        readers.push_back(other.start(nullptr, shared_total, 1));
    }
    const auto all_wait = [&] {
        return held == 1 && counted("waits", one, other) == 998 &&
               counted("fills_waited", one, other) == 1;
    };
    EXPECT_TRUE(wait_until(all_wait, seconds(20)));
    release_held.set();
    for (auto& reader : readers) EXPECT_EQ(reader.get(), 1);
    EXPECT_EQ(computations, 1);
    EXPECT_EQ(counted("fills_shared", one, other), 1U);
    // It is each node's own from then on.
    one.run(add_point, 1, 1);
    EXPECT_EQ(other.run(shared_total, 1), 2);
    EXPECT_EQ(one.run(shared_total, 1), 2);
    EXPECT_EQ(computations, 2);
}

// The other node is owed what was committed while the first one computed.
TEST_P(FillsTest, AreNotTakenFromAnotherNodeWhenACommitMadeThemUntrue) {
    Node one(options_, with_others()), other(options_, with_others());
    warm(one, other);
    is_held = true;
    auto reader = one.start(nullptr, shared_total, 1);
    ASSERT_TRUE(wait_until([] { return held == 1; }, seconds(20)));
    one.run(add_point, 1, 1);
    auto late = other.start(nullptr, shared_total, 1);
    ASSERT_TRUE(wait_until([&] { return other.counted("fills_waited") == 1; }, seconds(20)));
    is_held = false;
    release_held.set();
    EXPECT_EQ(reader.get(), 0);  // it began before the commit
    EXPECT_EQ(late.get(), 1);
    EXPECT_EQ(other.counted("fills_unusable"), 1U);
    EXPECT_EQ(one.run(shared_total, 1), 1);
    EXPECT_EQ(computations, 2);
}

TEST_P(FillsTest, AreTakenOverWhenTheLeaseIsOver) {
    const std::chrono::milliseconds short_lease(200);
    Node one(options_, with_others(short_lease)), other(options_, with_others(short_lease));
    warm(one, other);
    is_held = true;
    auto reader = one.start(nullptr, shared_total, 1);
    ASSERT_TRUE(wait_until([] { return held == 1; }, seconds(20)));
    is_held = false;
    EXPECT_EQ(other.run(shared_total, 1), 0);
    EXPECT_EQ(other.counted("fills_taken_over"), 1U);
    one.run(add_point, 1, 1);
    EXPECT_EQ(other.run(shared_total, 1), 1);
    release_held.set();
    EXPECT_EQ(reader.get(), 0);
    // What it told came too late to be kept.
    Node third(options_, with_others());
    third.run(cached_total, 1'000);
    EXPECT_EQ(third.run(shared_total, 1), 1);
}

TEST_P(FillsTest, ThatFailAreLeftToTheOthers) {
    Node one(options_, with_others()), other(options_, with_others());
    warm(one, other);
    const auto failing = [](Context& context, std::int64_t key) -> Task<std::int64_t> {
        static constexpr auto compute = [](Reader, std::int64_t) -> Task<Total> {
            throw Error(Errc::not_found, "on purpose");
            co_return Total{};
        };
        const cache::View<std::int64_t, Total> view{
            .name = "views.failing_shared", .compute = compute, .once_in_cluster = true};
        const Total total = co_await cache::value(context, view, key);
        co_return total.points;
    };
    for (Node* node : {&one, &other, &one})
        EXPECT_EQ(code_of([&] { node->run(failing, std::int64_t{1}); }), Errc::not_found);
    EXPECT_EQ(counted("fills_waited", one, other), 0U);
}

TEST_P(FillsTest, ThatAreOldGo) {
    cache::CacheOptions options = with_others(std::chrono::milliseconds(1));
    options.fills.kept = std::chrono::milliseconds(0);
    Node node(options_, options);
    node.run(shared_total, 1);
    const auto rows = [](Context& context) -> Task<std::int64_t> {
        static constexpr loadstone::store::Query count{"views.fills",
                                                       "select count(*) from loadstone_fills",
                                                       "select count(*) from loadstone_fills", 0};
        co_return co_await context.reader().one<std::int64_t>(count);
    };
    EXPECT_EQ(node.run(rows), 1);
    const auto prune = [](Context& context, Node* of) -> Task<void> {
        co_await of->cache().prune(context);
    };
    EXPECT_TRUE(wait_until(
        [&] {
            node.run(prune, &node);
            return node.run(rows) == 0;
        },
        seconds(10)));
}

TEST_P(FillsTest, OfAViewThatMayBeStaleKeepNobodyElseWaiting) {
    Node node(options_);
    EXPECT_EQ(node.run(patient_total, 1), 0);
    EXPECT_EQ(node.run(patient_total, 1), 0);
    node.run(add_point, 1, 1);
    is_held = true;
    auto reader = node.start(nullptr, patient_total, 1);
    ASSERT_TRUE(wait_until([] { return held == 1; }, seconds(20)));
    EXPECT_EQ(node.run(patient_total, 1), -1);  // what it was, and said to be stale
    EXPECT_EQ(node.counted("stale"), 1U);
    release_held.set();
    EXPECT_EQ(reader.get(), 1);
    EXPECT_EQ(node.run(patient_total, 1), 1);
    EXPECT_EQ(computations, 2);
}

}  // namespace tests::conformance::views
