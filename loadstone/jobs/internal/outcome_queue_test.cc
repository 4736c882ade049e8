#include "loadstone/jobs/internal/outcome_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace loadstone::jobs::internal {
namespace {

using std::chrono::milliseconds;

constexpr std::int64_t process = 7;

class OutcomeQueueTest : public ::testing::Test {
protected:
    static Finished run(std::int64_t batch, std::int64_t job, std::vector<std::int64_t> next = {}) {
        Extra extra;
        extra.next = std::move(next);
        Finished finished;
        finished.lease = {job, process, batch};
        finished.done = true;
        finished.job = std::make_shared<const HeldJob>(
            StoredJob{}, std::make_shared<const Extra>(std::move(extra)), nullptr);
        return finished;
    }
    // "job", or "job!" where it ends its batch.
    std::string take(bool all = false) {
        taken_ = queue_.take(100, now_, all);
        std::string text;
        for (const Finished& each : taken_) {
            text += (text.empty() ? "" : " ") + std::to_string(each.lease.job);
            if (each.ends_batch) text += "!";
        }
        return text;
    }
    void recorded() { queue_.recorded(taken_); }
    bool failed(bool has_conflicted = true) {
        return queue_.failed(std::move(taken_), has_conflicted, now_);
    }

    OutcomeQueue queue_;
    std::vector<Finished> taken_;
    OutcomeQueue::Clock::time_point now_{};
};

TEST_F(OutcomeQueueTest, TheLastOutcomeEndsItsBatch) {
    queue_.claimed(process, 1, 3);
    queue_.add(run(1, 10));
    queue_.add(run(1, 11));
    EXPECT_EQ(queue_.left_of_parted(), 1U);
    EXPECT_EQ(take(), "10 11");
    recorded();
    EXPECT_EQ(queue_.batches_of(process), std::vector<std::int64_t>{1});
    queue_.add(run(1, 12));
    EXPECT_EQ(take(), "12!");
    recorded();
    EXPECT_TRUE(queue_.batches_of(process).empty());
    EXPECT_EQ(take(), "");
}

TEST_F(OutcomeQueueTest, WhatTheDatabaseRefusedComesFirstAndInItsOrder) {
    queue_.claimed(process, 1, 3);
    for (const std::int64_t job : {10, 11}) queue_.add(run(1, job, {5}));
    EXPECT_EQ(take(), "10 11");
    EXPECT_FALSE(failed(false));
    queue_.add(run(1, 12));
    EXPECT_EQ(take(), "10 11 12!");
    EXPECT_TRUE(taken_[0].may_be_recorded);
    EXPECT_FALSE(taken_[2].may_be_recorded);
}

TEST_F(OutcomeQueueTest, WhatWaitsForATransactionHoldsUpNoOther) {
    queue_.claimed(process, 1, 4);
    queue_.add(run(1, 10));
    queue_.add(run(1, 11, {5}));
    queue_.add(run(1, 12, {6}));
    queue_.add(run(1, 13));
    EXPECT_EQ(take(), "10 11 12 13!");
    EXPECT_TRUE(failed());
    EXPECT_EQ(take(), "10 13") << "its batch ends with those that are put aside";
    recorded();
    EXPECT_EQ(queue_.aside(), 2U);
    EXPECT_EQ(take(), "11");
    EXPECT_TRUE(failed());
    EXPECT_EQ(take(), "");
    EXPECT_EQ(take(), "12");
    recorded();
    EXPECT_EQ(queue_.next_try(), now_ + OutcomeQueue::try_again_min);
    EXPECT_EQ(take(), "");
    // What concerns the same job does not hold up others either.
    queue_.claimed(process, 2, 2);
    queue_.add(run(2, 20, {5}));
    queue_.add(run(2, 21));
    EXPECT_EQ(take(), "21");
    recorded();
    now_ += OutcomeQueue::try_again_min;
    EXPECT_EQ(take(), "11! 20!");
    recorded();
    EXPECT_EQ(queue_.aside(), 0U);
    EXPECT_TRUE(queue_.batches_of(process).empty());
    EXPECT_FALSE(queue_.next_try());
}

TEST_F(OutcomeQueueTest, WhatIsPutAsideDoesNotEndABatchBeforeTheOthers) {
    queue_.claimed(process, 1, 3);
    queue_.add(run(1, 10, {5}));
    EXPECT_EQ(take(), "10");
    EXPECT_TRUE(failed());
    EXPECT_EQ(take(), "");
    queue_.add(run(1, 11));
    queue_.add(run(1, 12));
    EXPECT_EQ(take(), "10") << "the last of those that wait ends it";
    EXPECT_TRUE(failed());
    EXPECT_EQ(take(), "11 12");
    recorded();
    EXPECT_EQ(take(true), "10!");
    recorded();
    EXPECT_TRUE(queue_.batches_of(process).empty());
}

TEST_F(OutcomeQueueTest, ItIsTriedAgainLessAndLessOften) {
    queue_.claimed(process, 1, 1);
    queue_.add(run(1, 10, {5}));
    take();
    EXPECT_TRUE(failed());
    EXPECT_EQ(take(), "");
    for (milliseconds pause = OutcomeQueue::try_again_min; pause < OutcomeQueue::try_again_max;
         pause = std::min(2 * pause, OutcomeQueue::try_again_max)) {
        EXPECT_EQ(take(), "10!");
        EXPECT_TRUE(failed());
        EXPECT_EQ(take(), "");
        EXPECT_EQ(queue_.next_try(), now_ + pause);
        now_ += pause;
    }
}

TEST_F(OutcomeQueueTest, OutcomesOfTwoLeasesAreRecordedApart) {
    queue_.claimed(process, 1, 1);
    queue_.claimed(process + 1, 2, 1);
    queue_.add(run(1, 10));
    Finished other = run(2, 20);
    other.lease.process = process + 1;
    queue_.add(std::move(other));
    EXPECT_EQ(take(), "10!");
    recorded();
    EXPECT_EQ(take(), "20!");
}

}  // namespace
}  // namespace loadstone::jobs::internal
