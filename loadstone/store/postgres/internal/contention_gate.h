#pragma once
// ContentionGate: for transactions that get into each other's way. Under REPEATABLE READ, of
// several that update one row one commits and the others run again; with many of them that can
// take more runs than there are attempts. When a second run of a label (a route, a kind of job)
// fails as well, the gate closes: for `closed_for` its transactions in this process pass one at a
// time.

#include <array>
#include <atomic>
#include <chrono>
#include <memory>

#include "loadstone/runtime/semaphore.h"
#include "loadstone/telemetry/span.h"

namespace loadstone::store::postgres {

class ContentionGate {
public:
    static constexpr std::chrono::milliseconds closed_for{100};

    explicit ContentionGate(std::size_t waiters_max) : turn_(1, waiters_max) {}

    bool is_closed() const noexcept {
        return now_ms() < closed_until_.load(std::memory_order_relaxed);
    }
    void failed(int conflicts) noexcept {
        if (conflicts >= 2 || is_closed()) {
            closed_until_.store(now_ms() + closed_for.count(), std::memory_order_relaxed);
        }
    }
    runtime::Semaphore& turn() noexcept { return turn_; }

private:
    static std::int64_t now_ms() noexcept {
        return std::chrono::duration_cast<std::chrono::milliseconds>(
                   std::chrono::steady_clock::now().time_since_epoch())
            .count();
    }

    runtime::Semaphore turn_;
    std::atomic<std::int64_t> closed_until_{0};
};

// By label; labels may share one.
class ContentionGates {
public:
    explicit ContentionGates(std::size_t waiters_max) {
        for (auto& gate : gates_) gate = std::make_unique<ContentionGate>(waiters_max);
    }
    ContentionGate& of(telemetry::LabelIndex label) noexcept {
        return *gates_[label % gates_.size()];
    }

private:
    std::array<std::unique_ptr<ContentionGate>, 64> gates_;
};

}  // namespace loadstone::store::postgres
