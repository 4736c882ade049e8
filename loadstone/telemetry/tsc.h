#pragma once
// The time stamp counter: 10 to 16 ns a read, against 23 to 28 for CLOCK_MONOTONIC. Used for
// slices and waits; converted with a factor measured once at start. It must be invariant (constant
// rate, in step on all CPUs), as on every x86 server since 2008.

#include <cstdint>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace loadstone::telemetry {

#if defined(__x86_64__)
inline std::uint64_t tsc() noexcept { return __rdtsc(); }
#else
std::uint64_t tsc() noexcept;  // CLOCK_MONOTONIC in ns
#endif

// Measured against CLOCK_MONOTONIC over some milliseconds on the first call; call it at start-up.
double ns_per_tsc() noexcept;

inline std::uint64_t tsc_to_ns(std::uint64_t ticks) noexcept {
    return static_cast<std::uint64_t>(static_cast<double>(ticks) * ns_per_tsc());
}

}  // namespace loadstone::telemetry
