#pragma once
// WriteQueue: the bounded queue before the writer lane. Thread-safe. An op is in the queue or in
// somebody's hands, never both: who pops it finishes it.

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <vector>

namespace loadstone::store::sqlite {

struct WriteOp;

class WriteQueue {
public:
    enum class Pushed { yes, full, closed };
    using Clock = std::chrono::steady_clock;

    explicit WriteQueue(std::size_t max) : max_(max) {}

    Pushed push(WriteOp& op);
    // In front, in order, whatever the bound: they were in the queue before.
    void push_front(const std::vector<WriteOp*>& ops);
    WriteOp* pop();  // null if empty
    // Those whose deadline has passed or that were cancelled; those queued before `since`; all.
    std::vector<WriteOp*> take_given_up();
    std::vector<WriteOp*> take_older(Clock::time_point since);
    std::vector<WriteOp*> take_all();

    // For the lane: until there is an op, the queue is closed, or `wait` has passed. False once
    // the queue is closed.
    bool wait(std::chrono::milliseconds wait);
    // Until closed or `wait` has passed.
    void pause(std::chrono::milliseconds wait);
    // Ends a wait() under way, or the next one, early: what it waits for has changed.
    void nudge();
    void close();

    std::size_t size() const;
    std::size_t max() const noexcept { return max_; }

private:
    template <class Condition>
    std::vector<WriteOp*> take_if(Condition condition);

    const std::size_t max_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<WriteOp*> ops_;
    bool lane_waits_ = false;
    bool closed_ = false;
    bool nudged_ = false;
};

}  // namespace loadstone::store::sqlite
