#include "loadstone/runtime/event.h"

#include <atomic>
#include <mutex>

#include "loadstone/runtime/internal/waiter.h"

namespace loadstone::runtime {

namespace asio = boost::asio;

struct Event::Impl {
    std::mutex mutex;
    std::atomic<bool> set{false};
    internal::WaiterQueue waiters;
};

namespace {

struct EventWaiter : internal::Waiter {
    EventWaiter(const Executor& executor, Event::Impl& event) : Waiter(executor), impl(event) {}

    // False if the event is set already.
    bool enqueue() {
        std::lock_guard lock(impl.mutex);
        if (impl.set.load(std::memory_order_relaxed)) return false;
        impl.waiters.push(*this);
        queued = true;
        return true;
    }
    // True if it was set while the waiter was in the queue.
    bool leave() {
        std::lock_guard lock(impl.mutex);
        if (queued) impl.waiters.remove(*this);
        queued = false;
        return woken;
    }
    ~EventWaiter() { leave(); }

    Event::Impl& impl;
    bool queued = false;
    bool woken = false;
};

}  // namespace

Event::Event() : impl_(std::make_shared<Impl>()) {}
Event::~Event() = default;

void Event::set() {
    const std::shared_ptr<Impl> impl = impl_;  // who is woken may destroy the event at once
    std::lock_guard lock(impl->mutex);
    impl->set.store(true, std::memory_order_release);
    while (auto* waiter = static_cast<EventWaiter*>(impl->waiters.pop())) {
        waiter->queued = false;
        waiter->woken = true;
        waiter->ring();
    }
}

void Event::reset() { impl_->set.store(false, std::memory_order_release); }

bool Event::is_set() const noexcept { return impl_->set.load(std::memory_order_acquire); }

Task<bool> Event::wait(Deadline deadline) {
    const std::shared_ptr<Impl> impl = impl_;  // the event may be gone when this is destroyed
    if (impl->set.load(std::memory_order_acquire)) co_return true;
    const Executor executor = co_await asio::this_coro::executor;
    EventWaiter waiter(executor, *impl);
    if (!waiter.enqueue()) co_return true;
    co_await waiter.sleep(deadline);
    co_return waiter.leave();
}

}  // namespace loadstone::runtime
