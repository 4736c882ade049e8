#include "loadstone/telemetry/thread_usage.h"

#include <time.h>

#include "loadstone/telemetry/internal/allocation_count.h"

namespace loadstone::telemetry {

AllocationCount thread_allocations() noexcept { return allocation_count; }

std::uint64_t thread_cpu_ns() noexcept {
    timespec used{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return static_cast<std::uint64_t>(used.tv_sec) * 1'000'000'000U +
           static_cast<std::uint64_t>(used.tv_nsec);
}

}  // namespace loadstone::telemetry
