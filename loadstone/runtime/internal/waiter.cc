#include "loadstone/runtime/internal/waiter.h"

#include <boost/asio/post.hpp>

#include "loadstone/base/assert.h"
#include "loadstone/runtime/internal/virtual_time.h"

namespace loadstone::runtime::internal {

namespace asio = boost::asio;

Waiter::Waiter(const Executor& executor)
    : timer_(loop_executor(executor)),
      bell_(std::make_shared<Bell>(Bell{loop_executor(executor), &timer_})) {}

Waiter::~Waiter() { bell_->timer = nullptr; }

Task<void> Waiter::sleep(Deadline deadline) {
    boost::system::error_code ignored;
    if (VirtualTime* const time = virtual_time(); time != nullptr) {
        const VirtualTime::Alarm alarm(*time, deadline.instant(), timer_);
        co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
        co_return;
    }
    timer_.expires_at(deadline.instant());
    co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

void Waiter::ring() {
    if (bell_->loop.running_in_this_thread()) {
        timer_.cancel();
        return;
    }
    // Through the loop, because its thread may be about to suspend: a cancel before that is lost.
    asio::post(bell_->loop, [bell = bell_] {
        if (bell->timer != nullptr) bell->timer->cancel();
    });
}

void WaiterQueue::push(Waiter& waiter) noexcept {
    waiter.previous_ = last_;
    waiter.next_ = nullptr;
    (last_ == nullptr ? first_ : last_->next_) = &waiter;
    last_ = &waiter;
}

Waiter* WaiterQueue::pop() noexcept {
    Waiter* const waiter = first_;
    if (waiter != nullptr) remove(*waiter);
    return waiter;
}

void WaiterQueue::remove(Waiter& waiter) noexcept {
    (waiter.previous_ == nullptr ? first_ : waiter.previous_->next_) = waiter.next_;
    (waiter.next_ == nullptr ? last_ : waiter.next_->previous_) = waiter.previous_;
    waiter.previous_ = waiter.next_ = nullptr;
}

}  // namespace loadstone::runtime::internal
