#pragma once
// What handlers of the tests of jobs do while a test looks on, and the kinds and statements that
// several tests use.

#include <algorithm>
#include <atomic>
#include <string>
#include <vector>

#include "tests/conformance/jobs_node.h"

namespace test_kinds {

// What handlers do is steered by the test through this.
struct Stage {
    std::atomic<int> running{0}, running_max{0};
    std::atomic<bool> may_end{true};
    std::atomic<int> failures_left{0};
    std::atomic<int> attempts{0};
    std::atomic<std::int64_t> waits{0};  // of 2 ms, of handlers that wait for the end
};
extern Stage* stage;  // of the test that runs

void note(loadstone::Context& context, const std::string& text);
// Runs until the stage says that it may end, or it is cancelled.
loadstone::Task<void> wait_for_the_end(loadstone::Context& context);

// Two of a key at once; shares of tenants, for `number` ms each; one of a key.
struct Crowd {
    std::string key, text;
};
BOOST_DESCRIBE_STRUCT(Crowd, (), (key, text))

struct Tenant {
    std::string tenant;
    int number = 0;
};
BOOST_DESCRIBE_STRUCT(Tenant, (), (tenant, number))

struct Single {
    std::string key, text;
};
BOOST_DESCRIBE_STRUCT(Single, (), (key, text))

void declare_keyed(loadstone::Handlers& handlers);  // these three

struct Fleeting {
    std::string text;
};
BOOST_DESCRIBE_STRUCT(Fleeting, (), (text))

struct Bounded {
    int number = 0;
};
BOOST_DESCRIBE_STRUCT(Bounded, (), (number))

struct Postponed {
    int number = 0;
};
BOOST_DESCRIBE_STRUCT(Postponed, (), (number))

}  // namespace test_kinds

namespace tests::conformance {

template <class T>
Task<std::int64_t> add(Tx& tx, T arguments) {
    co_return co_await jobs::enqueue(tx, arguments);
}
template <class T>
Task<bool> add_all(Tx& tx, std::vector<T> arguments) {
    co_await jobs::enqueue_all(tx, arguments);
    co_return true;
}
Task<bool> remove_process_in(Tx& tx, std::int64_t process);
Task<std::int64_t> results_left(Reader reader);
// Two minutes behind; there are two.
Task<bool> schedules_lag(Tx& tx);

class StagedJobs : public JobQueue {
protected:
    explicit StagedJobs(Node::Declare declare) : declare_(declare) { test_kinds::stage = &stage_; }
    ~StagedJobs() override { stage_.may_end = true; }
    std::unique_ptr<Node> node() { return node(declare_); }
    std::unique_ptr<Node> node(Node::Declare declare) {
        return std::make_unique<Node>(database_.url(), diary_, declare);
    }
    static bool is_done(Node& node, std::chrono::seconds patience = std::chrono::seconds(30)) {
        return wait_until([&] { return node.jobs_of("").empty(); }, patience);
    }
    std::int64_t count(const std::string& text) { return std::ranges::count(diary_.all(), text); }
    static void pause(int ms) {
        const Deadline end = Deadline::in(milliseconds(ms));
        EXPECT_TRUE(wait_until([&] { return end.passed(); }));
    }

    test_kinds::Stage stage_;

private:
    Node::Declare declare_;
};

}  // namespace tests::conformance
