#include "loadstone/store/sqlite/write_queue.h"

#include <utility>

#include "loadstone/store/sqlite/write_op.h"

namespace loadstone::store::sqlite {

WriteQueue::Pushed WriteQueue::push(WriteOp& op) {
    bool wake = false;
    {
        const std::scoped_lock lock(mutex_);
        if (closed_) return Pushed::closed;
        if (ops_.size() >= max_) return Pushed::full;
        ops_.push_back(&op);
        wake = std::exchange(lane_waits_, false);
    }
    if (wake) changed_.notify_one();
    return Pushed::yes;
}

void WriteQueue::push_front(const std::vector<WriteOp*>& ops) {
    const std::scoped_lock lock(mutex_);
    ops_.insert(ops_.begin(), ops.begin(), ops.end());
}

WriteOp* WriteQueue::pop() {
    const std::scoped_lock lock(mutex_);
    if (ops_.empty()) return nullptr;
    WriteOp* const op = ops_.front();
    ops_.pop_front();
    return op;
}

template <class Condition>
std::vector<WriteOp*> WriteQueue::take_if(Condition condition) {
    std::vector<WriteOp*> taken;
    const std::scoped_lock lock(mutex_);
    std::erase_if(ops_, [&](WriteOp* op) {
        if (!condition(*op)) return false;
        taken.push_back(op);
        return true;
    });
    return taken;
}

std::vector<WriteOp*> WriteQueue::take_given_up() {
    const auto now = Clock::now();
    return take_if([now](const WriteOp& op) {
        return op.context.is_cancelled() || op.context.deadline().instant() <= now;
    });
}

std::vector<WriteOp*> WriteQueue::take_older(Clock::time_point since) {
    return take_if([since](const WriteOp& op) { return op.queued_at <= since; });
}

std::vector<WriteOp*> WriteQueue::take_all() {
    return take_if([](const WriteOp&) { return true; });
}

bool WriteQueue::wait(std::chrono::milliseconds wait) {
    std::unique_lock lock(mutex_);
    lane_waits_ = true;
    changed_.wait_for(lock, wait, [this] { return closed_ || nudged_ || !ops_.empty(); });
    lane_waits_ = false;
    nudged_ = false;
    return !closed_;
}

void WriteQueue::pause(std::chrono::milliseconds wait) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, wait, [this] { return closed_; });
}

void WriteQueue::nudge() {
    {
        const std::scoped_lock lock(mutex_);
        nudged_ = true;
    }
    changed_.notify_all();
}

void WriteQueue::close() {
    {
        const std::scoped_lock lock(mutex_);
        closed_ = true;
    }
    changed_.notify_all();
}

std::size_t WriteQueue::size() const {
    const std::scoped_lock lock(mutex_);
    return ops_.size();
}

}  // namespace loadstone::store::sqlite
