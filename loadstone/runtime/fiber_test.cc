#include "loadstone/runtime/fiber.h"

#include <gtest/gtest.h>

#include <array>
#include <stdexcept>
#include <string>

namespace loadstone::runtime {
namespace {

// Touches `kilobytes` of the stack.
int deep(int kilobytes) {
    std::array<char, 1'024> page{};
    volatile char* const touched = page.data();
    *touched = 1;
    return kilobytes == 0 ? 0 : deep(kilobytes - 1) + *touched;
}

TEST(Fiber, RunsACallToItsEnd) {
    Fiber fiber;
    bool has_run = false;
    auto call = [&] { has_run = true; };
    EXPECT_TRUE(fiber.start(call));
    EXPECT_TRUE(has_run);
}

TEST(Fiber, StopsInTheMiddleOfACallAndGoesOn) {
    Fiber fiber;
    std::string order;
    auto call = [&] {
        for (const char name : {'a', 'b', 'c'}) {
            order += name;
            fiber.stop();
        }
    };
    for (bool has_ended = fiber.start(call); !has_ended; has_ended = fiber.resume()) order += '.';
    EXPECT_EQ(order, "a.b.c.");
}

TEST(Fiber, ThrowsWhatTheCallThrows) {
    Fiber fiber;
    auto at_once = []() { throw std::runtime_error("at once"); };
    EXPECT_THROW(fiber.start(at_once), std::runtime_error);
    auto later = [&] {
        fiber.stop();
        throw std::runtime_error("later");
    };
    EXPECT_FALSE(fiber.start(later));
    EXPECT_THROW(fiber.resume(), std::runtime_error);
    auto nothing = [] {};
    EXPECT_TRUE(fiber.start(nothing)) << "it is not thrown again";
}

TEST(Fiber, SeveralStopInTurns) {
    Fiber one;
    Fiber other;
    std::string order;
    auto as_one = [&] {
        order += '1';
        one.stop();
        order += '1';
    };
    auto as_other = [&] {
        order += '2';
        other.stop();
        order += '2';
    };
    EXPECT_FALSE(one.start(as_one));
    EXPECT_FALSE(other.start(as_other));
    EXPECT_TRUE(one.resume());
    EXPECT_TRUE(other.resume());
    EXPECT_EQ(order, "1212");
}

TEST(Fiber, HasAStackLikeAThreads) {
    Fiber fiber;
    int depth = 0;
    auto call = [&] {
        fiber.stop();
        depth = deep(200);
    };
    EXPECT_FALSE(fiber.start(call));
    EXPECT_TRUE(fiber.resume());
    EXPECT_EQ(depth, 200);
}

}  // namespace
}  // namespace loadstone::runtime
