#pragma once
// What the calling thread has used. Allocation counts come from the replaced operator new in
// allocation_count.cc, which is linked into every program that links telemetry.

#include <cstdint>

namespace loadstone::telemetry {

struct AllocationCount {
    std::uint64_t count = 0;
    std::uint64_t bytes = 0;
};

AllocationCount thread_allocations() noexcept;   // since the thread began
std::uint64_t thread_cpu_ns() noexcept;          // CLOCK_THREAD_CPUTIME_ID; 0.5 to 1.2 us a call

}  // namespace loadstone::telemetry
