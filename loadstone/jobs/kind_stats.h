#pragma once
// What a process has counted of each kind of job since it started, and what several have together.

#include <cstdint>
#include <string>
#include <vector>

#include "loadstone/base/describe.h"
#include "loadstone/telemetry/registry.h"

namespace loadstone::jobs {

class Queue;

// A histogram as it goes from process to process: its buckets up to the last that is not 0
// (telemetry/histogram.h).
struct TimesCounted {
    std::vector<std::uint64_t> buckets;
};
BOOST_DESCRIBE_STRUCT(TimesCounted, (), (buckets))

struct KindCounts {
    std::string queue, kind;
    std::uint64_t runs = 0, failed = 0, retried = 0, snoozed = 0, buried = 0;
    std::uint64_t limited = 0;  // times that a limit held up jobs of its queue
    TimesCounted wait;          // from when a job could run to when it was claimed
    TimesCounted run;
};
BOOST_DESCRIBE_STRUCT(KindCounts, (),
                      (queue, kind, runs, failed, retried, snoozed, buried, limited, wait, run))

// By name.
std::vector<KindCounts> kind_counts(const Queue& queue, const telemetry::Registry& registry);

struct KindStats {
    std::string kind;
    std::uint64_t runs = 0, failed = 0, retried = 0, snoozed = 0, buried = 0;
    std::int64_t wait_p50_us = 0, wait_p99_us = 0;
    std::int64_t run_p50_us = 0, run_p99_us = 0;
};
BOOST_DESCRIBE_STRUCT(KindStats, (),
                      (kind, runs, failed, retried, snoozed, buried, wait_p50_us, wait_p99_us,
                       run_p50_us, run_p99_us))

struct QueueKinds {
    std::uint64_t limited = 0;  // of all processes
    std::vector<KindStats> kinds;
};
BOOST_DESCRIBE_STRUCT(QueueKinds, (), (limited, kinds))

// Of one queue, from what each process has counted.
QueueKinds kinds_of(const std::string& queue,
                    const std::vector<std::vector<KindCounts>>& processes);

}  // namespace loadstone::jobs
