#include "loadstone/runtime/task_scope.h"

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <utility>

#include "loadstone/base/assert.h"
#include "loadstone/base/error.h"
#include "loadstone/base/log.h"
#include "loadstone/runtime/internal/virtual_time.h"
#include "loadstone/runtime/internal/waiter.h"

namespace loadstone::runtime {

namespace asio = boost::asio;

struct TaskScope::Impl {
    explicit Impl(std::string scope_name) : name(std::move(scope_name)) {}

    const std::string name;
    mutable std::mutex mutex;
    std::condition_variable all_ended;
    internal::WaiterQueue joiners;
    std::size_t running = 0;
    std::size_t failures = 0;
    bool closed = false;

    void ended();
    void failed(const std::exception_ptr& exception);
};

namespace {

struct Joiner : internal::Waiter {
    Joiner(const Executor& executor, TaskScope::Impl& scope) : Waiter(executor), impl(scope) {}

    // False if nothing runs.
    bool enqueue() {
        std::lock_guard lock(impl.mutex);
        if (impl.running == 0) return false;
        impl.joiners.push(*this);
        queued = true;
        return true;
    }
    // True if all ended while the joiner was in the queue.
    bool leave() {
        std::lock_guard lock(impl.mutex);
        if (queued) impl.joiners.remove(*this);
        queued = false;
        return woken;
    }
    ~Joiner() { leave(); }

    TaskScope::Impl& impl;
    bool queued = false;
    bool woken = false;
};

// Stands for one running task. Given up when the task has ended, or with the loop that abandons
// it.
class Ticket {
public:
    Ticket(std::shared_ptr<TaskScope::Impl> scope, std::shared_ptr<const void> keep)
        : impl_(std::move(scope)), keep_(std::move(keep)) {}
    Ticket(Ticket&&) noexcept = default;
    Ticket& operator=(Ticket&&) = delete;
    ~Ticket() {
        if (impl_ == nullptr) return;
        keep_.reset();
        impl_->ended();
    }

    TaskScope::Impl& scope() const noexcept { return *impl_; }

private:
    std::shared_ptr<TaskScope::Impl> impl_;
    std::shared_ptr<const void> keep_;
};

// The last slice of a task still touches its SpanSlot when it ends, so the ticket is given up in a
// turn of its own, after that slice.
struct Completion {
    Ticket ticket;
    internal::LoopExecutor loop;

    void operator()(const std::exception_ptr& exception) {
        if (exception) ticket.scope().failed(exception);
        asio::post(loop, [held = std::move(ticket)] {});
    }
};

}  // namespace

void TaskScope::Impl::ended() {
    std::lock_guard lock(mutex);
    LOADSTONE_ASSERT(running > 0, "a task ends once");
    if (--running > 0) return;
    all_ended.notify_all();
    while (auto* joiner = static_cast<Joiner*>(joiners.pop())) {
        joiner->queued = false;
        joiner->woken = true;
        joiner->ring();
    }
}

void TaskScope::Impl::failed(const std::exception_ptr& exception) {
    const Error error = error_from_exception(exception);
    {
        std::lock_guard lock(mutex);
        ++failures;
    }
    // A task that was told to stop says so by this.
    const auto level = error.code() == Errc::cancelled ? log::Level::debug : log::Level::error;
    log::write(level, "a task failed",
               {{"tasks", name}, {"code", to_string(error.code())}, {"error", error.message()}});
}

TaskScope::TaskScope(std::string name) : impl_(std::make_shared<Impl>(std::move(name))) {}

TaskScope::~TaskScope() {
    LOADSTONE_ASSERT(running() == 0, "a task scope is joined before it is destroyed");
}

bool TaskScope::spawn(const Executor& executor, Task<void> task, std::shared_ptr<const void> keep) {
    {
        std::lock_guard lock(impl_->mutex);
        if (impl_->closed) return false;
        ++impl_->running;
    }
    Completion completion{Ticket(impl_, std::move(keep)), internal::loop_executor(executor)};
    asio::co_spawn(executor, std::move(task), std::move(completion));
    return true;
}

void TaskScope::close() {
    std::lock_guard lock(impl_->mutex);
    impl_->closed = true;
}

std::size_t TaskScope::running() const noexcept {
    std::lock_guard lock(impl_->mutex);
    return impl_->running;
}

std::size_t TaskScope::failures() const noexcept {
    std::lock_guard lock(impl_->mutex);
    return impl_->failures;
}

Task<bool> TaskScope::join(Deadline deadline) {
    const std::shared_ptr<Impl> impl = impl_;
    const Executor executor = co_await asio::this_coro::executor;
    Joiner joiner(executor, *impl);
    if (!joiner.enqueue()) co_return true;
    co_await joiner.sleep(deadline);
    co_return joiner.leave();
}

bool TaskScope::join_blocking(Deadline deadline) {
    if (internal::VirtualTime* const time = internal::virtual_time(); time != nullptr)
        return time->run_until([this] { return running() == 0; }, deadline.instant());
    std::unique_lock lock(impl_->mutex);
    const auto none = [this] { return impl_->running == 0; };
    // wait_until(max) overflows in the conversion to the clock of the kernel.
    if (deadline != Deadline::unbounded()) {
        return impl_->all_ended.wait_until(lock, deadline.instant(), none);
    }
    impl_->all_ended.wait(lock, none);
    return true;
}

}  // namespace loadstone::runtime
