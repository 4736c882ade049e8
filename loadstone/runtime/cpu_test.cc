#include "loadstone/runtime/cpu.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <thread>

namespace loadstone::runtime {
namespace {

TEST(UsableCores, AreThoseOfTheAffinity) {
    const int all = usable_cores();
    int one = 0;
    std::thread pinned([&one] {
        cpu_set_t set;
        sched_getaffinity(0, sizeof set, &set);
        int first = 0;
        while (!CPU_ISSET(first, &set)) ++first;
        CPU_ZERO(&set);
        CPU_SET(first, &set);
        sched_setaffinity(0, sizeof set, &set);
        one = usable_cores();
    });
    pinned.join();
    EXPECT_EQ(one, 1);
    EXPECT_GE(all, 1);
    EXPECT_LE(all, static_cast<int>(std::thread::hardware_concurrency()));
}

TEST(CpuQuota, IsRoundedUpToCores) {
    EXPECT_EQ(internal::cores_of_quota("200000 100000"), 2);
    EXPECT_EQ(internal::cores_of_quota("150000 100000"), 2);
    EXPECT_EQ(internal::cores_of_quota("1000 100000"), 1);
    EXPECT_EQ(internal::cores_of_quota("9000000000000 1"), 1'024);
}

TEST(CpuQuota, WithoutALimitOrNotUnderstoodIsNone) {
    for (const char* text :
         {"max 100000", "", "max", "200000", "200000 ", "200000 0", "-1 100000", "x 1"}) {
        EXPECT_EQ(internal::cores_of_quota(text), 0) << text;
    }
}

TEST(RunInBackground, IsOfTheCallingThreadAlone) {
    int policy = -1;
    std::thread thread([&policy] {
        run_in_background();
        policy = sched_getscheduler(0);
    });
    thread.join();
    EXPECT_EQ(policy, SCHED_IDLE);
    EXPECT_EQ(sched_getscheduler(0), SCHED_OTHER);
}

}  // namespace
}  // namespace loadstone::runtime
