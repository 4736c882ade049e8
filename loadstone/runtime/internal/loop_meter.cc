#include "loadstone/runtime/internal/loop_meter.h"

#include <algorithm>

namespace loadstone::runtime::internal {

void LoopMeter::attach(int index, bool slices) noexcept {
    index_ = index;
    slices_ = slices;
    window_ticks_ = static_cast<std::uint64_t>(window_ns / telemetry::ns_per_tsc());
    window_began_ = telemetry::tsc();
    window_cpu_ns_ = telemetry::thread_cpu_ns();
}

// The thread's CPU time also holds what ran outside of slices (the reactor), so the ratio is a
// little too high when slices are short and the machine is full; it is never too low.
void LoopMeter::reconcile(std::uint64_t now) noexcept {
    const std::uint64_t cpu_ns = telemetry::thread_cpu_ns();
    const std::uint64_t slices_ns = telemetry::tsc_to_ns(window_slices_);
    if (slices_ns > 0) {
        const double ratio = std::min(
            1.0, static_cast<double>(cpu_ns - window_cpu_ns_) / static_cast<double>(slices_ns));
        const double share = cpu_share();
        // Smoothed, because a window in which little ran says little.
        const double weight = 0.5 * std::min(1.0, static_cast<double>(slices_ns) / window_ns);
        cpu_share_.store(share + (ratio - share) * weight, std::memory_order_relaxed);
    }
    load_ = static_cast<double>(window_slices_) / static_cast<double>(now - window_began_);
    slices_tsc_.store(slices_tsc() + window_slices_, std::memory_order_relaxed);
    window_slices_ = 0;
    window_began_ = now;
    window_cpu_ns_ = cpu_ns;
}

double LoopMeter::load(std::uint64_t now) const noexcept {
    // A window ends with a slice: after a time without any, the one that runs is long over.
    const std::uint64_t ticks = now > window_began_ ? now - window_began_ : 0;
    if (ticks < window_ticks_) return load_;
    const std::uint64_t in_slice = depth_ > 0 && now > counted_until_ ? now - counted_until_ : 0;
    return static_cast<double>(window_slices_ + in_slice) / static_cast<double>(ticks);
}

}  // namespace loadstone::runtime::internal
