#pragma once
// Deadline: the instant by which a wait ends, on the steady clock. Passed down, only ever
// tightened; Context::shield is the one exception.

#include <chrono>
#include <compare>

#include "loadstone/runtime/clock.h"

namespace loadstone::runtime {

class Deadline {
public:
    using Clock = runtime::Clock;

    constexpr explicit Deadline(Clock::time_point instant) : instant_(instant) {}
    static Deadline in(Clock::duration wait) { return Deadline(Clock::now() + wait); }
    // For the framework's own loops, which end by being stopped.
    static constexpr Deadline unbounded() { return Deadline(Clock::time_point::max()); }

    Clock::time_point instant() const noexcept { return instant_; }
    bool passed() const noexcept { return Clock::now() >= instant_; }
    // Zero when passed.
    std::chrono::milliseconds remaining() const noexcept {
        const auto now = Clock::now();
        if (now >= instant_) return std::chrono::milliseconds(0);
        if (instant_ == Clock::time_point::max()) return std::chrono::hours(24 * 365);
        return std::chrono::ceil<std::chrono::milliseconds>(instant_ - now);
    }
    Deadline sooner(Deadline other) const noexcept {
        return instant_ < other.instant_ ? *this : other;
    }
    Deadline later(Deadline other) const noexcept {
        return instant_ < other.instant_ ? other : *this;
    }

    friend constexpr auto operator<=>(const Deadline&, const Deadline&) = default;

private:
    Clock::time_point instant_;
};

}  // namespace loadstone::runtime

namespace loadstone {
using runtime::Deadline;
}
