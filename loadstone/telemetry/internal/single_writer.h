#pragma once
// Counting in an atomic that one thread writes: a plain load and store, no locked instruction.

#include <atomic>
#include <cstdint>

namespace loadstone::telemetry {

inline void bump(std::atomic<std::uint64_t>& cell, std::uint64_t by) noexcept {
    cell.store(cell.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

}  // namespace loadstone::telemetry
