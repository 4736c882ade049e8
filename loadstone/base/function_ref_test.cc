#include "loadstone/base/function_ref.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "loadstone/base/id.h"

namespace loadstone {
namespace {

int twice(FunctionRef<int(int)> function, int value) { return function(function(value)); }

int increment(int value) { return value + 1; }

TEST(FunctionRef, CallsLambdasFunctionsAndObjects) {
    EXPECT_EQ(twice([](int value) { return value * 3; }, 2), 18);
    EXPECT_EQ(twice(increment, 2), 4);
    EXPECT_EQ(twice(&increment, 2), 4);
}

TEST(FunctionRef, KeepsTheStateOfItsCallable) {
    int calls = 0;
    auto count = [calls = &calls](int value) mutable {
        ++*calls;
        return value;
    };
    const FunctionRef<int(int)> first(count);
    const FunctionRef<int(int)> copy = first;
    first(1);
    copy(1);
    EXPECT_EQ(calls, 2);
}

TEST(FunctionRef, MovesItsArguments) {
    auto take = [](std::unique_ptr<int> pointer) { return *pointer; };
    const FunctionRef<int(std::unique_ptr<int>)> function(take);
    EXPECT_EQ(function(std::make_unique<int>(7)), 7);
}

TEST(FunctionRef, OfNothingDropsTheResult) {
    int calls = 0;
    const auto count = [&calls] { return ++calls; };
    FunctionRef<void()>{count}();
    EXPECT_EQ(calls, 1);
}

TEST(FunctionRef, IsTwoWords) {
    EXPECT_EQ(sizeof(FunctionRef<void()>), 2 * sizeof(void*));
    static_assert(!std::is_constructible_v<FunctionRef<int(int)>, std::string>);
}

struct CourseTag;
struct UserTag;

TEST(Id, OfOneThingIsNoIdOfAnother) {
    using CourseId = Id<CourseTag>;
    using UserId = Id<UserTag>;
    static_assert(!std::is_convertible_v<CourseId, UserId>);
    static_assert(!std::is_convertible_v<std::int64_t, UserId>);
    EXPECT_LT(UserId(1), UserId(2));
    EXPECT_EQ(std::hash<UserId>{}(UserId(7)), std::hash<UserId>{}(UserId(7)));
}

}  // namespace
}  // namespace loadstone
