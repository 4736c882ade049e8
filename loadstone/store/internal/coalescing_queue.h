#pragma once
// CoalescingQueue: who waits and who leads, of one kind of coalesced write (coalesced_writes.h).
//
// At most one leads. While it does, all who come wait; when its batch has ended, one of them leads
// the next. A request that leads and has not begun its batch may leave, and another one leads.

#include <cstddef>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

#include "loadstone/runtime/context.h"
#include "loadstone/runtime/event.h"
#include "loadstone/telemetry/registry.h"

namespace loadstone::store::internal {

// A request that has come with a row.
struct Coalesced {
    explicit Coalesced(runtime::Deadline until) : deadline(until) {}

    const runtime::Deadline deadline;
    runtime::Event told;  // that its row was written, or that it is to lead

    // Of its queue's lock.
    bool has_left = false;
    bool has_ended = false;
    // Of the batch that it was in, when it has ended.
    std::exception_ptr failure{};
    runtime::Position seen{};  // by who led
};
using CoalescedPtr = std::shared_ptr<Coalesced>;

// Any thread.
class CoalescingQueue {
public:
    enum class End { written, failed, abandoned };

    struct Options {
        std::string_view name;  // lives as long
        std::size_t batch_max = 0, waiting_max = 0;
    };
    CoalescingQueue(Options options, telemetry::Registry& registry);
    ~CoalescingQueue();
    CoalescingQueue(const CoalescingQueue&) = delete;
    CoalescingQueue& operator=(const CoalescingQueue&) = delete;

    // Waits until its row was written (false), or it is the one that leads (true). Throws what the
    // batch failed with; deadline_exceeded, cancelled; unavailable: `waiting_max` wait already.
    Task<bool> enter(Context& context, const CoalescedPtr& mine);
    // Of who leads: its batch, itself first.
    std::vector<CoalescedPtr> take(const CoalescedPtr& mine);
    // The batch has ended. Abandoned: all but the leader are written with the next one.
    void end(End end, const std::exception_ptr& failure, runtime::Position seen, std::size_t rows);
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
    QueuePlace(CoalescingQueue& queue, CoalescedPtr mine) : queue_(queue), mine_(std::move(mine)) {}
    QueuePlace(const QueuePlace&) = delete;
    QueuePlace& operator=(const QueuePlace&) = delete;
    ~QueuePlace() { queue_.leave(mine_); }

private:
    CoalescingQueue& queue_;
    const CoalescedPtr mine_;
};

// However it ends, those of the batch are told: a coroutine that is destroyed tells them too.
struct QueueTurn {
    CoalescingQueue& queue;
    Context& context;
    std::size_t rows = 0;
    CoalescingQueue::End end = CoalescingQueue::End::abandoned;
    std::exception_ptr failure{};
    ~QueueTurn() { queue.end(end, failure, context.reading().position(), rows); }

    // In a handler of what others fail with too.
    void fail() noexcept {
        end = CoalescingQueue::End::failed;
        failure = std::current_exception();
    }
};

}  // namespace loadstone::store::internal
