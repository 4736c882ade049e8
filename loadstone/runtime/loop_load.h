#pragma once

namespace loadstone::runtime {

// How much of its time the calling loop was in slices, of whatever task, 0..1: in the window that
// has not ended if that is 10 ms long by now, else in the last one that has, of 10 ms or more.
// After a time without slices it is about 0. 0 outside loops, without slices and under virtual
// time.
double loop_load() noexcept;

}  // namespace loadstone::runtime
