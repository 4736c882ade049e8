#pragma once
// What handlers of the tests of jobs do while a test looks on, and the kinds that several tests
// use.

#include <atomic>
#include <string>

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
