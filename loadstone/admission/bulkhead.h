#pragma once
// Bulkhead: how much of a module runs at once, and how much may wait for its turn. What does not
// fit is turned away at once with a retry_after, so that one module's flood is its own. Usable
// from any loop; it must outlive its permits.

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "loadstone/runtime/context.h"
#include "loadstone/runtime/task.h"
#include "loadstone/telemetry/registry.h"

namespace loadstone::admission {

struct BulkheadOptions {
    std::string name;                               // of the module; in metrics and messages
    std::size_t concurrency_max = 64;               // 1 or more
    std::size_t queue_max = 256;                    // 0: nothing waits
    std::chrono::milliseconds queue_wait_max{500};  // the context's deadline may end it sooner
};

class Bulkhead;

// The right to run inside a bulkhead until it is destroyed. Movable from thread to thread.
class Permit {
public:
    Permit(Permit&& other) noexcept : bulkhead_(std::exchange(other.bulkhead_, nullptr)) {}
    Permit& operator=(Permit&& other) noexcept {
        if (this != &other) {
            release();
            bulkhead_ = std::exchange(other.bulkhead_, nullptr);
        }
        return *this;
    }
    ~Permit() { release(); }

    // Gives it back early.
    void release() noexcept;

private:
    friend class Bulkhead;
    explicit Permit(Bulkhead* bulkhead) noexcept : bulkhead_(bulkhead) {}

    Bulkhead* bulkhead_;  // null when moved from or given back
};

class Bulkhead {
public:
    Bulkhead(const BulkheadOptions& options, telemetry::Registry& registry);
    ~Bulkhead();
    Bulkhead(const Bulkhead&) = delete;
    Bulkhead& operator=(const Bulkhead&) = delete;

    // Without waiting: nothing if all permits are taken or others wait. Costs two atomic
    // operations.
    std::optional<Permit> try_enter() noexcept;
    // Waits for its turn; the wait is accounted as WaitKind::admission. Throws Error: unavailable
    // with a retry_after if the queue is full or queue_wait_max passed, deadline_exceeded or
    // cancelled if the context is done.
    Task<Permit> enter(Context& context);

    std::size_t in_use() const noexcept;
    std::size_t queued() const noexcept;
    const BulkheadOptions& options() const noexcept;

    struct Impl;

private:
    friend class Permit;

    std::unique_ptr<Impl> impl_;
};

}  // namespace loadstone::admission
