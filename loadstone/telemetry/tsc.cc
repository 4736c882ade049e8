#include "loadstone/telemetry/tsc.h"

#include <time.h>

#include <chrono>
#include <limits>
#include <thread>

namespace loadstone::telemetry {
namespace {

std::uint64_t monotonic_ns() noexcept {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U +
           static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace

#if defined(__x86_64__)
namespace {

struct Instant {
    std::uint64_t ticks = 0;
    std::uint64_t ns = 0;
};

// Both clocks at one instant: of some tries the one in which the least time passed in between.
Instant read_both() noexcept {
    Instant best;
    std::uint64_t least = std::numeric_limits<std::uint64_t>::max();
    for (int attempt = 0; attempt < 16; ++attempt) {
        const std::uint64_t before = tsc();
        const std::uint64_t ns = monotonic_ns();
        const std::uint64_t width = tsc() - before;
        if (width < least) {
            least = width;
            best = {before + width / 2, ns};
        }
    }
    return best;
}

// The two readings are good to some 20 ns, so 10 ms give the factor to a few millionths.
double measure() noexcept {
    const Instant first = read_both();
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    const Instant last = read_both();
    return static_cast<double>(last.ns - first.ns) / static_cast<double>(last.ticks - first.ticks);
}

}  // namespace

double ns_per_tsc() noexcept {
    static const double factor = measure();
    return factor;
}
#else
std::uint64_t tsc() noexcept { return monotonic_ns(); }

double ns_per_tsc() noexcept { return 1.0; }
#endif

}  // namespace loadstone::telemetry
