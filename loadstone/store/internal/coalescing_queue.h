#pragma once
// CoalescingQueue: who waits and who leads, of one kind of coalesced write (coalesced_writes.h).
//
// At most one leads. While it does, all who come wait; when its batch has ended, one of them leads
// the next. A request that leads and has not begun its batch may leave, and another one leads.
// Requests keep their queue: those that a loop's end destroys leave it when its owner is gone.

#include <cstddef>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "loadstone/runtime/context.h"
#include "loadstone/runtime/event.h"
#include "loadstone/telemetry/registry.h"

namespace loadstone::store::internal {

// How a batch ends. Failed: with an error that is everybody's. Apart: with one that may be of some
// row, so each is written by itself. Abandoned: who led was cancelled or late, and all others are
// written with the next batch.
enum class BatchEnd { written, failed, apart, abandoned };

// A request that has come with a row.
struct Coalesced {
    explicit Coalesced(runtime::Deadline until) : deadline(until) {}

    const runtime::Deadline deadline;
    runtime::Event told;  // that its batch has ended, or that it is to lead

    // Of its queue's lock.
    bool has_left = false;
    std::optional<BatchEnd> end{};  // of the batch that it was in
    std::exception_ptr failure{};
    runtime::Position seen{};  // by the batch
};
using CoalescedPtr = std::shared_ptr<Coalesced>;

// What a request is to do.
enum class Turn { lead, take_result, write_alone };

// Any thread.
class CoalescingQueue {
public:
    struct Options {
        std::string_view name;  // lives as long
        std::size_t batch_max = 0, waiting_max = 0;
    };
    CoalescingQueue(Options options, telemetry::Registry& registry);
    ~CoalescingQueue();
    CoalescingQueue(const CoalescingQueue&) = delete;
    CoalescingQueue& operator=(const CoalescingQueue&) = delete;

    // Waits until its batch has ended or it is the one that leads. Throws what the batch failed
    // with; deadline_exceeded, cancelled; unavailable: `waiting_max` wait already.
    Task<Turn> enter(Context& context, const CoalescedPtr& mine);
    // Of who leads: its batch, itself first.
    std::vector<CoalescedPtr> take(const CoalescedPtr& mine);
    // Of the batch that was taken; it had so many rows.
    void end(BatchEnd end, const std::exception_ptr& failure, runtime::Position seen,
             std::size_t rows);
    // However a request ends.
    void leave(const CoalescedPtr& mine) noexcept;

private:
    struct Metrics;

    void appoint();

    const Options options_;
    telemetry::Registry& registry_;
    std::unique_ptr<Metrics> metrics_;
    mutable std::mutex mutex_;  // of what is below
    CoalescedPtr leader_;       // null: nothing is under way, and nobody waits
    std::vector<CoalescedPtr> batch_;
    std::deque<CoalescedPtr> waiting_;
};

// The place of a request; it is left however the request ends.
class QueuePlace {
public:
    QueuePlace(std::shared_ptr<CoalescingQueue> queue, CoalescedPtr mine)
        : queue_(std::move(queue)), mine_(std::move(mine)) {}
    QueuePlace(const QueuePlace&) = delete;
    QueuePlace& operator=(const QueuePlace&) = delete;
    ~QueuePlace() { queue_->leave(mine_); }

private:
    const std::shared_ptr<CoalescingQueue> queue_;
    const CoalescedPtr mine_;
};

// The batch of who leads. However it ends, those of it are told: a coroutine that is destroyed
// tells them too. What the leader's session had seen before is its own: the others are told what
// the batch has seen.
class BatchTurn {
public:
    BatchTurn(CoalescingQueue& queue, Context& context);
    BatchTurn(const BatchTurn&) = delete;
    BatchTurn& operator=(const BatchTurn&) = delete;
    ~BatchTurn() { queue_.end(end_, failure_, seen_, rows_); }

    const std::vector<CoalescedPtr>& take(const CoalescedPtr& mine);
    void written(std::size_t rows);
    // In a handler. True: the leader, too, writes its row alone.
    bool failed();

private:
    void settle();

    CoalescingQueue& queue_;
    Context& context_;
    const runtime::Position before_;
    std::vector<CoalescedPtr> gathered_;
    BatchEnd end_ = BatchEnd::abandoned;
    std::exception_ptr failure_{};
    runtime::Position seen_{};
    std::size_t rows_ = 0;
};

}  // namespace loadstone::store::internal
