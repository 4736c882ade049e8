#pragma once
// Lease: a permit of the pool and, once there is one, a connection.

#include <memory>

#include "loadstone/store/postgres/internal/transactions.h"

namespace loadstone::store::postgres {

class Transactions::Lease {
public:
    // `permits`, of the pool: where its permit is from and goes back to.
    Lease(std::shared_ptr<Transactions> pool, runtime::Semaphore& permits, std::size_t loop)
        : pool_(std::move(pool)), permits_(&permits), loop_(loop) {}
    Lease(Lease&&) noexcept = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease() { end(); }

    // Gives both back. A connection that is not at rest is closed.
    void end() noexcept;
    // Closes the connection; the permit stays.
    void drop() noexcept;
    // Hands both to a task that brings the connection to rest, or closes it.
    void settle(bool may_cancel);

    void take(std::shared_ptr<Pipeline> pipeline, bool was_idle) noexcept {
        pipeline_ = std::move(pipeline);
        was_idle_ = was_idle;
    }
    bool is_open() const noexcept { return pipeline_ != nullptr && !pipeline_->is_lost(); }
    const std::shared_ptr<Pipeline>& pipeline() const noexcept { return pipeline_; }
    std::size_t loop() const noexcept { return loop_; }
    // It lay idle before: that it is dead says nothing about the server.
    bool was_idle() const noexcept { return was_idle_; }
    bool may_cancel() const noexcept { return may_cancel_; }

private:
    std::shared_ptr<Transactions> pool_;  // null: given back
    runtime::Semaphore* permits_;
    std::shared_ptr<Pipeline> pipeline_;
    std::size_t loop_;
    bool was_idle_ = false;
    bool may_cancel_ = false;
};

}  // namespace loadstone::store::postgres
