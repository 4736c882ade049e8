#pragma once
// Waiter: a coroutine's place in the queue of a primitive (Semaphore, Event, Lane, TaskScope).
//
// It lives in the frame of the coroutine, which suspends on `timer`. So the loop owns the
// suspended frame, and a loop that is destroyed destroys it, whether or not the primitive still
// exists: the primitive's state is shared, and the frame's guard takes the Waiter out of the
// queue.
//
// Whoever wakes it does so under the primitive's lock, which also decides between waking and the
// deadline: after the timer ended, for whatever reason, the coroutine asks under the lock what
// happened.

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>

#include "loadstone/runtime/deadline.h"
#include "loadstone/runtime/internal/span_executor.h"
#include "loadstone/runtime/task.h"

namespace loadstone::runtime::internal {

class Waiter {
public:
    explicit Waiter(const Executor& executor);
    ~Waiter();  // not in a queue any more
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;

    // Suspends until rung or the deadline. On the waiter's own loop.
    Task<void> sleep(Deadline deadline);
    // Ends sleep(), now or when it begins. With the primitive's lock held, at most once, while the
    // waiter exists; from any thread.
    void ring();

private:
    friend class WaiterQueue;

    // Outlives the waiter when the ring is still on its way to the loop.
    struct Bell {
        LoopExecutor loop;
        boost::asio::steady_timer* timer;  // the loop's thread only; null when the waiter is gone
    };

    boost::asio::steady_timer timer_;
    std::shared_ptr<Bell> bell_;
    Waiter* previous_ = nullptr;
    Waiter* next_ = nullptr;
};

// First in, first out, no allocation. Guarded by the primitive's lock.
class WaiterQueue {
public:
    bool empty() const noexcept { return first_ == nullptr; }
    void push(Waiter& waiter) noexcept;
    Waiter* pop() noexcept;  // null if empty
    void remove(Waiter& waiter) noexcept;

private:
    Waiter* first_ = nullptr;
    Waiter* last_ = nullptr;
};

}  // namespace loadstone::runtime::internal
