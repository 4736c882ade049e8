#pragma once
// Storm: threads that write through two nodes, by chance, while each node is looked at all the
// time.

#include <array>
#include <atomic>
#include <cstdlib>
#include <functional>
#include <thread>
#include <vector>

#include "loadstone/base/random.h"
#include "loadstone/base/timestamp.h"
#include "tests/conformance/views/node.h"

namespace tests::conformance::views {

class Storm {
public:
    // Each calls commands of the node. What others have made impossible (conflict), and of writes
    // what fails on purpose (invalid_argument), is no failure.
    using Write = std::function<void(loadstone::Random&, Node&)>;
    using Look = std::function<void(Node&)>;

    Storm(Node& one, Node& other, Backend backend)
        : nodes_{&one, &other}, writes_each_(writes_each(backend)) {}

    // Returns when all threads have written their part.
    void rage(const Write& write, const Look& look) {
        has_ended_ = false;
        std::vector<std::thread> writers, lookers;
        for (int i = 0; i < threads; ++i)
            writers.emplace_back([this, &write, seed = ++seed_] { drive(write, seed); });
        for (Node* node : nodes_) lookers.emplace_back([this, &look, node] { watch(look, *node); });
        for (auto& thread : writers) thread.join();
        has_ended_ = true;
        for (auto& thread : lookers) thread.join();
    }

    // Where the storms have come to; tell it with what fails.
    std::uint64_t seed() const noexcept { return seed_; }
    // There was enough of it.
    void expect_some() const {
        EXPECT_GT(written_, writes_each_);
        EXPECT_GT(looked_, 0);
    }
    void expect_no_failure() const { EXPECT_EQ(failed_, 0); }

private:
    static constexpr int threads = 4;

    static int writes_each(Backend backend) {
        if (std::getenv("LOADSTONE_FULL") != nullptr) return 4'000;
        return backend == Backend::pgbouncer ? 40 : 150;
    }
    void drive(const Write& write, std::uint64_t seed) {
        loadstone::Random random(seed);
        for (int i = 0; i < writes_each_; ++i) {
            Node& node = *nodes_[random.below(nodes_.size())];
            try {
                write(random, node);
                ++written_;
            } catch (const Error& error) {
                if (error.code() != Errc::invalid_argument && error.code() != Errc::conflict)
                    ++failed_;
            }
        }
    }
    void watch(const Look& look, Node& node) {
        while (!has_ended_) {
            try {
                look(node);
                ++looked_;
            } catch (const Error& error) {
                if (error.code() != Errc::conflict) ++failed_;
            }
        }
    }

    const std::array<Node*, 2> nodes_;
    const int writes_each_;
    std::uint64_t seed_ = static_cast<std::uint64_t>(loadstone::Timestamp::now().micros);
    std::atomic<std::int64_t> written_{0}, failed_{0}, looked_{0};
    std::atomic<bool> has_ended_{false};
};

inline std::int64_t number_below(loadstone::Random& random, std::int64_t below) {
    return static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(below)));
}

}  // namespace tests::conformance::views
