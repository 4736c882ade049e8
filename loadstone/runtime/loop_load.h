#pragma once

namespace loadstone::runtime {

// How much of the last 10 ms or more the calling loop was in slices, 0..1; 0 outside loops, without
// slices and under virtual time.
double loop_load() noexcept;

}  // namespace loadstone::runtime
