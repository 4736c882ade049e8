#pragma once
// Watchdog: a thread that looks at what each loop is doing and reports, once per blockage, a slice
// that holds its loop for too long.

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "loadstone/runtime/internal/loop_meter.h"
#include "loadstone/telemetry/registry.h"

namespace loadstone::runtime::internal {

class Watchdog {
public:
    struct Watched {
        const LoopMeter* meter;
        telemetry::Counter* blocked;
        std::uint64_t reported = 0;  // held_since() of the blockage reported last
    };

    Watchdog(std::vector<Watched> loops, std::chrono::milliseconds blocked_after);
    ~Watchdog();  // stops

    void start();
    void stop();

private:
    void run();
    void look(int index, Watched& loop) const;

    std::vector<Watched> loops_;
    std::chrono::milliseconds blocked_after_;
    std::mutex mutex_;
    std::condition_variable stopped_;
    bool stop_ = false;
    std::thread thread_;
};

}  // namespace loadstone::runtime::internal
