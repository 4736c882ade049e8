#pragma once
// Loops: one event loop per thread. A connection, a job and their timers stay on the loop they
// began on. Nothing blocks a loop: a watchdog names the span whose slice holds one longer than
// `blocked_after`.
//
// Slices: work spawned on span_executor(loop, slot) is timed with the TSC each time it runs, and
// the time goes to the span that the slot points to. Every ~10 ms a loop compares the sum of its
// slices with its thread's CPU clock; cpu_share() is the ratio.

#include <chrono>
#include <functional>
#include <memory>

#include "loadstone/runtime/deadline.h"
#include "loadstone/runtime/task.h"
#include "loadstone/telemetry/registry.h"
#include "loadstone/telemetry/span.h"

namespace loadstone::runtime {

// Which span the slices of a task chain belong to; null: to nobody. Changed only from inside a
// slice of that chain (SpanSlot::enter) or while none of it runs. Must outlive the chain.
class SpanSlot {
public:
    // Called inside a slice: what was used so far goes to the old span, what follows to the new
    // one.
    void enter(telemetry::Span* span) noexcept;
    telemetry::Span* current() const noexcept { return span_; }

private:
    telemetry::Span* span_ = nullptr;
};

struct LoopsOptions {
    int threads = 1;
    std::chrono::milliseconds blocked_after{50};
    bool slices = true;  // off only to measure what they cost: the watchdog sees none then
};

class Loops {
public:
    Loops(const LoopsOptions& options, telemetry::Registry& registry);
    ~Loops();
    Loops(const Loops&) = delete;
    Loops& operator=(const Loops&) = delete;

    void start();
    // Instead of start(): runs what is ready on the calling thread, which simulates
    // (internal/virtual_time.h). True if there was something.
    bool run_ready();
    // Work that is still there is abandoned. Join TaskScopes first. Idempotent.
    void stop();

    int size() const noexcept;
    Executor executor(int loop) const;
    // An executor of `loop` whose slices are attributed through `slot`.
    Executor span_executor(int loop, SpanSlot& slot) const;
    // Index of the loop that runs the calling thread, -1 elsewhere.
    static int current() noexcept;
    // How much of its slice time the calling loop really had a CPU, 0..1; 1 outside loops.
    static double cpu_share() noexcept;
    // Runs `work` on the loop soon. From any thread.
    void post(int loop, std::function<void()> work) const;

    struct Impl;

private:
    std::unique_ptr<Impl> impl_;
};

// The calling thread's allocations etc. since the slice began are added to `span`; called when a
// span is finished inside a slice, before it is recorded.
void settle_slice() noexcept;

// Waits. Throws Errc::cancelled only when the loop stops.
Task<void> sleep_until(Deadline deadline);
// Lets what waits on this loop go first: other tasks, and answers that have come.
Task<void> yield();

}  // namespace loadstone::runtime
