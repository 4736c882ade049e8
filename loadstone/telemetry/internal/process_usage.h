#pragma once
// What the process uses, as Linux says it. What cannot be read is 0.

#include <cstdint>

namespace loadstone::telemetry {

struct ProcessUsage {
    double cpu_seconds = 0;
    std::uint64_t resident_bytes = 0;
    std::uint64_t open_fds = 0;
    std::uint64_t fds_max = 0;
};

ProcessUsage process_usage();

}  // namespace loadstone::telemetry
