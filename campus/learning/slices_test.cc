#include "campus/learning/slices.h"

#include <gtest/gtest.h>

namespace campus::learning {
namespace {

using accounts::UserId;

SlicePlan plan_of(std::int64_t learners) {
    SlicePlan plan;
    for (std::int64_t i = 1; i <= learners; ++i) plan.add(UserId(i * 3));
    return plan;
}

TEST(SlicePlan, OfNobodyHasNoSlice) {
    EXPECT_TRUE(plan_of(0).slices().empty());
    EXPECT_EQ(plan_of(0).learners(), 0);
}

TEST(SlicePlan, CutsWhereASliceIsFull) {
    const struct {
        std::int64_t learners;
        std::vector<std::int64_t> in_slices;
    } cases[] = {
        {1, {1}},
        {learners_in_slice - 1, {learners_in_slice - 1}},
        {learners_in_slice, {learners_in_slice}},
        {learners_in_slice + 1, {learners_in_slice, 1}},
        {3 * learners_in_slice, {learners_in_slice, learners_in_slice, learners_in_slice}},
    };
    for (const auto& each : cases) {
        const SlicePlan plan = plan_of(each.learners);
        std::vector<std::int64_t> in_slices;
        for (const Slice& slice : plan.slices()) in_slices.push_back(slice.learners);
        EXPECT_EQ(in_slices, each.in_slices) << each.learners << " learners";
        EXPECT_EQ(plan.learners(), each.learners);
    }
}

TEST(SlicePlan, PutsEachLearnerIntoOneSlice) {
    const SlicePlan plan = plan_of(1'234);
    const auto& slices = plan.slices();
    EXPECT_EQ(slices.front().after_user, UserId(0));
    EXPECT_EQ(slices.back().last_user, UserId(1'234 * 3));
    for (std::size_t i = 0; i < slices.size(); ++i) {
        EXPECT_EQ(slices[i].number, static_cast<std::int64_t>(i) + 1);
        EXPECT_LT(slices[i].after_user, slices[i].last_user);
        if (i > 0) EXPECT_EQ(slices[i].after_user, slices[i - 1].last_user) << "no gap, no overlap";
        // Every third id is a learner's.
        EXPECT_EQ((slices[i].last_user.value - slices[i].after_user.value) / 3, slices[i].learners);
    }
}

TEST(SlicePlanDeathTest, TakesLearnersInOrderOnly) {
    SlicePlan plan;
    plan.add(UserId(5));
    EXPECT_DEATH(plan.add(UserId(5)), "in the order of their ids");
    EXPECT_DEATH(plan.add(UserId(4)), "in the order of their ids");
    SlicePlan empty;
    EXPECT_DEATH(empty.add(UserId(0)), "in the order of their ids");
}

}  // namespace
}  // namespace campus::learning
