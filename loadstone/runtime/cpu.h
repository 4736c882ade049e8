#pragma once
// What of the machine's CPU time this process may use, and how a thread gives way to the others.

#include <string_view>

namespace loadstone::runtime {

// Cores that the process may use: those of its affinity, fewer under a CPU quota of its cgroup
// (version 2); at least 1.
int usable_cores();

// The calling thread runs from now on only while no other thread wants the core (SCHED_IDLE); this
// cannot be undone. Where the system refuses it, the thread runs as before.
void run_in_background() noexcept;

namespace internal {
// cpu.max of a cgroup, "QUOTA PERIOD" in us, rounded up to cores; 0 if it sets no limit.
int cores_of_quota(std::string_view cpu_max) noexcept;
}  // namespace internal

}  // namespace loadstone::runtime
