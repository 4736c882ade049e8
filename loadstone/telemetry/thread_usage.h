#pragma once
// What the calling thread has used. Allocation counts come from the replaced operator new in
// allocation_count.cc, which is linked into every program that links telemetry.

#include <cstdint>

// Sanitizers bring an operator new of their own: with them nothing is counted.
#define LOADSTONE_COUNTS_ALLOCATIONS 1
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#undef LOADSTONE_COUNTS_ALLOCATIONS
#define LOADSTONE_COUNTS_ALLOCATIONS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#undef LOADSTONE_COUNTS_ALLOCATIONS
#define LOADSTONE_COUNTS_ALLOCATIONS 0
#endif
#endif

namespace loadstone::telemetry {

struct AllocationCount {
    std::uint64_t count = 0;
    std::uint64_t bytes = 0;
};

inline constexpr bool allocations_are_counted = LOADSTONE_COUNTS_ALLOCATIONS == 1;

AllocationCount thread_allocations() noexcept;  // since the thread began; 0 if not counted
std::uint64_t thread_cpu_ns() noexcept;         // CLOCK_THREAD_CPUTIME_ID; 0.5 to 1.2 us a call

}  // namespace loadstone::telemetry
