#include "loadstone/base/assert.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <string>

namespace loadstone {
namespace {

TEST(Assert, EvaluatesItsExpressionOnce) {
    int evaluations = 0;
    LOADSTONE_ASSERT(++evaluations == 1, "counted once");
    EXPECT_EQ(evaluations, 1);
}

TEST(AssertDeathTest, NamesThePlaceTheMessageAndTheExpression) {
    EXPECT_DEATH(LOADSTONE_ASSERT(1 == 2, "one is two"),
                 "assert_test.cc:[0-9]+: assertion failed: one is two \\(1 == 2\\)");
}

TEST(AssertDeathTest, EndsTheProcessEvenIfNobodyReadsStderr) {
    int pipe_ends[2];
    ASSERT_EQ(pipe2(pipe_ends, O_CLOEXEC), 0);
    ASSERT_EQ(fcntl(pipe_ends[1], F_SETPIPE_SZ, 4096), 4096);
    const std::string filling(4096, 'x');
    ASSERT_EQ(write(pipe_ends[1], filling.data(), filling.size()), 4096);
    const auto assert_on_full_pipe = [&] {
        dup2(pipe_ends[1], STDERR_FILENO);
        LOADSTONE_ASSERT(false, "nobody reads this");
    };
    EXPECT_EXIT(assert_on_full_pipe(), testing::KilledBySignal(SIGALRM), "");
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}

}  // namespace
}  // namespace loadstone
