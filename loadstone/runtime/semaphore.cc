#include "loadstone/runtime/semaphore.h"

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>

#include "loadstone/base/assert.h"
#include "loadstone/runtime/internal/waiter.h"

namespace loadstone::runtime {

namespace asio = boost::asio;

// What is in use, who waits and how many permits there are share one word, so that taking and
// giving back a permit while nobody waits is one compare-and-swap, and neither can miss a waiter or
// a change of the number. Invariants:
//   1. waiting > 0 implies in use >= permits, whenever the mutex is free: a permit that comes free
//      goes to the first waiter.
//   2. waiting and permits change only under the mutex, and waiting is the length of the queue
//      whenever it is free.
struct Semaphore::Impl : std::enable_shared_from_this<Semaphore::Impl> {
    static constexpr int waiting_shift = 21, permits_shift = 42;
    static constexpr std::uint64_t one_waiter = std::uint64_t{1} << waiting_shift;
    static std::uint64_t in_use(std::uint64_t word) { return word & count_max; }
    static std::uint64_t waiting(std::uint64_t word) { return (word >> waiting_shift) & count_max; }
    static std::uint64_t permits(std::uint64_t word) { return word >> permits_shift; }

    Impl(std::size_t permit_count, std::size_t waiter_count)
        : waiters_max(waiter_count), state(std::uint64_t{permit_count} << permits_shift) {}

    bool try_acquire() noexcept {
        std::uint64_t word = state.load(std::memory_order_relaxed);
        while (waiting(word) == 0 && in_use(word) < permits(word)) {
            if (state.compare_exchange_weak(word, word + 1, std::memory_order_acquire,
                                            std::memory_order_relaxed)) {
                return true;
            }
        }
        return false;
    }
    void release() noexcept;
    void resize(std::size_t permit_count) noexcept;

    const std::uint64_t waiters_max;
    std::atomic<std::uint64_t> state;
    std::mutex mutex;
    internal::WaiterQueue queue;
};

namespace {

struct SemaphoreWaiter : internal::Waiter {
    enum class State { outside, queued, granted };

    SemaphoreWaiter(const Executor& executor, Semaphore::Impl& semaphore)
        : Waiter(executor), impl(semaphore) {}

    // Nothing if it is in the queue now.
    std::optional<Acquired> enqueue() {
        std::lock_guard lock(impl.mutex);
        for (;;) {
            if (impl.try_acquire()) return Acquired::yes;
            std::uint64_t word = impl.state.load(std::memory_order_relaxed);
            if (impl.in_use(word) < impl.permits(word)) continue;  // one came free meanwhile
            if (impl.waiting(word) >= impl.waiters_max) return Acquired::queue_full;
            if (impl.state.compare_exchange_weak(word, word + impl.one_waiter,
                                                 std::memory_order_relaxed)) {
                break;
            }
        }
        impl.queue.push(*this);
        state = State::queued;
        return std::nullopt;
    }
    // True if it has a permit.
    bool leave() {
        std::lock_guard lock(impl.mutex);
        if (state == State::queued) {
            impl.queue.remove(*this);
            impl.state.fetch_sub(impl.one_waiter, std::memory_order_relaxed);
        }
        return std::exchange(state, State::outside) == State::granted;
    }
    // A permit that was granted to a coroutine that is destroyed goes on to the next.
    ~SemaphoreWaiter() {
        if (leave()) impl.release();
    }

    Semaphore::Impl& impl;
    State state = State::outside;
};

}  // namespace

void Semaphore::Impl::release() noexcept {
    std::uint64_t word = state.load(std::memory_order_relaxed);
    for (;;) {
        if (waiting(word) == 0) {
            LOADSTONE_ASSERT(in_use(word) > 0, "a permit is given back once");
            if (state.compare_exchange_weak(word, word - 1, std::memory_order_release,
                                            std::memory_order_relaxed)) {
                return;
            }
            continue;
        }
        const std::shared_ptr<Impl> self = shared_from_this();  // who is granted may destroy it
        std::lock_guard lock(mutex);
        // While somebody waits nobody else changes what is in use: all come here.
        word = state.load(std::memory_order_relaxed);
        if (waiting(word) == 0) continue;  // the last waiter left meanwhile
        if (in_use(word) > permits(word)) {
            state.fetch_sub(1, std::memory_order_release);
            return;
        }
        auto* waiter = static_cast<SemaphoreWaiter*>(queue.pop());
        state.fetch_sub(one_waiter, std::memory_order_relaxed);
        waiter->state = SemaphoreWaiter::State::granted;
        waiter->ring();
        return;
    }
}

void Semaphore::Impl::resize(std::size_t permit_count) noexcept {
    const std::shared_ptr<Impl> self = shared_from_this();
    std::lock_guard lock(mutex);
    const std::uint64_t counts = (std::uint64_t{1} << permits_shift) - 1;
    std::uint64_t word = state.load(std::memory_order_relaxed);
    std::uint64_t resized = 0;
    do {
        resized = (word & counts) | (std::uint64_t{permit_count} << permits_shift);
    } while (!state.compare_exchange_weak(word, resized, std::memory_order_relaxed));
    while (waiting(resized) > 0 && in_use(resized) < permits(resized)) {
        auto* waiter = static_cast<SemaphoreWaiter*>(queue.pop());
        resized = state.fetch_add(1 - one_waiter, std::memory_order_acquire) + 1 - one_waiter;
        waiter->state = SemaphoreWaiter::State::granted;
        waiter->ring();
    }
}

Semaphore::Semaphore(std::size_t permits, std::size_t waiters_max)
    : impl_(std::make_shared<Impl>(permits, waiters_max)) {
    LOADSTONE_ASSERT(permits > 0 && permits <= count_max && waiters_max <= count_max,
                     "permits are 1 to count_max and waiters at most count_max");
}

Semaphore::~Semaphore() = default;

bool Semaphore::try_acquire() noexcept { return impl_->try_acquire(); }

Task<Acquired> Semaphore::acquire(Deadline deadline) {
    const std::shared_ptr<Impl> impl = impl_;  // the semaphore may be gone when this is destroyed
    if (impl->try_acquire()) co_return Acquired::yes;
    const Executor executor = co_await asio::this_coro::executor;
    SemaphoreWaiter waiter(executor, *impl);
    if (const std::optional<Acquired> at_once = waiter.enqueue()) co_return *at_once;
    co_await waiter.sleep(deadline);
    co_return waiter.leave() ? Acquired::yes : Acquired::deadline_passed;
}

void Semaphore::release() noexcept { impl_->release(); }

void Semaphore::resize(std::size_t permits) noexcept {
    LOADSTONE_ASSERT(permits > 0 && permits <= count_max, "permits are 1 to count_max");
    impl_->resize(permits);
}

std::size_t Semaphore::in_use() const noexcept {
    return Impl::in_use(impl_->state.load(std::memory_order_relaxed));
}
std::size_t Semaphore::waiting() const noexcept {
    return Impl::waiting(impl_->state.load(std::memory_order_relaxed));
}
std::size_t Semaphore::permits() const noexcept {
    return Impl::permits(impl_->state.load(std::memory_order_relaxed));
}

}  // namespace loadstone::runtime
