#pragma once
// Who computes a view before its time is over, so that nobody waits when it is: XFetch (Vattani,
// Chierichetti and Lowenstein, Optimal Probabilistic Cache Stampede Prevention, 2015). Pure.

#include <chrono>
#include <cmath>

namespace loadstone::cache::internal {

// Of an answer that is `age` old, took `took` to compute and may be used until it is `fresh_for`
// old. The nearer its end, and the longer it took, the likelier; sure at the end. `uniform` is
// random, of [0, 1), for each who asks.
inline bool is_due_early(std::chrono::nanoseconds age, std::chrono::nanoseconds took,
                         std::chrono::nanoseconds fresh_for, double uniform) noexcept {
    using Seconds = std::chrono::duration<double>;
    return age - Seconds(took) * std::log1p(-uniform) >= Seconds(fresh_for);
}

}  // namespace loadstone::cache::internal
