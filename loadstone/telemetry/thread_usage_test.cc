#include "loadstone/telemetry/thread_usage.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <new>
#include <sstream>
#include <thread>
#include <vector>

namespace loadstone::telemetry {
namespace {

// What `work` costs as the counts should tell it: nothing under a sanitizer.
AllocationCount expected(std::uint64_t count, std::uint64_t bytes) {
    if (!allocations_are_counted) return {};
    return {count, bytes};
}

template <class Work>
AllocationCount cost_of(Work work) {
    const AllocationCount before = thread_allocations();
    work();
    const AllocationCount after = thread_allocations();
    return {after.count - before.count, after.bytes - before.bytes};
}

void expect_cost(const AllocationCount& cost, std::uint64_t count, std::uint64_t bytes) {
    EXPECT_EQ(cost.count, expected(count, bytes).count);
    EXPECT_EQ(cost.bytes, expected(count, bytes).bytes);
}

// Called as functions, because a new-expression may be optimised away.
TEST(ThreadUsage, CountsEachFormOfOperatorNew) {
    constexpr std::align_val_t wide{256};
    expect_cost(cost_of([] { ::operator delete(::operator new(100)); }), 1, 100);
    expect_cost(cost_of([] { ::operator delete[](::operator new[](100)); }), 1, 100);
    expect_cost(cost_of([] { ::operator delete(::operator new(100, std::nothrow)); }), 1, 100);
    expect_cost(cost_of([] { ::operator delete[](::operator new[](100, std::nothrow)); }), 1, 100);
    expect_cost(cost_of([] { ::operator delete(::operator new(0)); }), 1, 0);
    const auto aligned = cost_of([] {
        void* block = ::operator new(100, wide);
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % 256, 0U);
        ::operator delete(block, wide);
        block = ::operator new[](300, wide, std::nothrow);
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % 256, 0U);
        ::operator delete[](block, wide);
    });
    expect_cost(aligned, 2, 400);
}

TEST(ThreadUsage, CountsAllocationsInsideTheStandardLibrary) {
    const auto cost = cost_of([] {
        std::ostringstream text;  // instantiated in libstdc++.so
        for (int i = 0; i < 1'000; ++i) text << "0123456789";
        EXPECT_EQ(text.str().size(), 10'000U);
    });
    if (allocations_are_counted) {
        EXPECT_GE(cost.count, 3U);
        EXPECT_GE(cost.bytes, 20'000U);
    } else {
        EXPECT_EQ(cost.count, 0U);
    }
}

TEST(ThreadUsage, CountsEachThreadAlone) {
    const auto cost_here = cost_of([] {
        std::vector<char> warm(10);
        EXPECT_EQ(warm.size(), 10U);
    });
    EXPECT_LE(cost_here.count, 1U);

    AllocationCount there;
    AllocationCount there_at_start;
    std::thread thread([&] {
        there_at_start = thread_allocations();
        ::operator delete(::operator new(1'000'000));
        there = thread_allocations();
    });
    const AllocationCount before = thread_allocations();
    thread.join();
    const AllocationCount after = thread_allocations();
    EXPECT_EQ(after.count, before.count);
    EXPECT_EQ(there_at_start.count, 0U);
    EXPECT_EQ(there.bytes, expected(1, 1'000'000).bytes);
}

#if LOADSTONE_COUNTS_ALLOCATIONS
TEST(ThreadUsage, ReportsThatMemoryIsExhausted) {
    constexpr std::size_t too_much = ~std::size_t{0} / 2;
    constexpr std::align_val_t wide{256};
    volatile std::size_t size = too_much;
    EXPECT_EQ(::operator new(size, std::nothrow), nullptr);
    EXPECT_EQ(::operator new(size, wide, std::nothrow), nullptr);
    EXPECT_THROW(static_cast<void>(::operator new(size)), std::bad_alloc);
    size = ~std::size_t{0};
    EXPECT_THROW(static_cast<void>(::operator new(size, wide)), std::bad_alloc);
}
#endif

TEST(ThreadUsage, CpuTimeGrowsWithWork) {
    const std::uint64_t began = thread_cpu_ns();
    std::uint64_t now = began;
    while (now - began < 2'000'000) now = thread_cpu_ns();
    EXPECT_GE(now - began, 2'000'000U);
}

}  // namespace
}  // namespace loadstone::telemetry
