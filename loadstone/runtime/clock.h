#pragma once
// Clock: the steady clock, or, on a thread that simulates (internal/virtual_time.h), its time.
// Whatever waits or has a deadline asks it.

#include <chrono>

namespace loadstone::runtime {

namespace internal {
// Null where time is real.
const std::chrono::steady_clock::time_point* virtual_now() noexcept;
}  // namespace internal

struct Clock {
    using duration = std::chrono::steady_clock::duration;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::steady_clock::time_point;
    static constexpr bool is_steady = true;

    static time_point now() noexcept {
        const time_point* const simulated = internal::virtual_now();
        return simulated == nullptr ? std::chrono::steady_clock::now() : *simulated;
    }
};

}  // namespace loadstone::runtime
