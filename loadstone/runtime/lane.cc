#include "loadstone/runtime/lane.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "loadstone/base/assert.h"
#include "loadstone/base/error.h"
#include "loadstone/base/log.h"
#include "loadstone/runtime/cpu.h"
#include "loadstone/runtime/internal/waiter.h"
#include "loadstone/telemetry/thread_usage.h"
#include "loadstone/telemetry/tsc.h"

namespace loadstone::runtime {

namespace asio = boost::asio;
using telemetry::WaitKind;

namespace {

// How long the calling thread was ready but had no CPU, ns; 0 where the kernel does not say.
class RunDelay {
public:
    RunDelay() : file_(::open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC)) {}
    RunDelay(const RunDelay&) = delete;
    RunDelay& operator=(const RunDelay&) = delete;
    ~RunDelay() {
        if (file_ >= 0) ::close(file_);
    }
    // "<ns on a cpu> <ns waiting for one> <slices>"
    std::uint64_t read() const noexcept {
        char text[96];
        const ssize_t size = file_ < 0 ? -1 : ::pread(file_, text, sizeof text, 0);
        if (size <= 0) return 0;
        const char* const end = text + size;
        const char* const second = std::find(static_cast<const char*>(text), end, ' ');
        std::uint64_t delay_ns = 0;
        if (second != end) std::from_chars(second + 1, end, delay_ns);
        return delay_ns;
    }

private:
    int file_;
};

void name_thread(const std::string& name) {
    pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
}

// What one piece of work used, in ns and counts; and when (TSC).
struct Usage {
    std::uint64_t began = 0, ended = 0;
    std::uint64_t cpu_ns = 0, run_delay_ns = 0;
    telemetry::AllocationCount allocations;
};

struct LaneWaiter;

struct Entry {
    LaneWaiter* waiter;          // of run(); null for post()
    std::function<void()> work;  // of post()
};

}  // namespace

struct Lane::Impl {
    Impl(const LaneOptions& lane_options, telemetry::Registry& metrics);

    std::pair<std::size_t, std::size_t> queued_and_busy() const;
    std::string full_message() const;
    std::chrono::milliseconds drain_time() const;
    void start();
    void stop();
    void serve(std::size_t index);
    void serve_when_held_up();
    Entry take();
    void announce(bool unwatched);
    void run_entry(Entry& entry, const RunDelay& delay, std::unique_lock<std::mutex>& lock);
    void run_waiting(LaneWaiter& waiter, const RunDelay& delay, std::unique_lock<std::mutex>& lock);

    const LaneOptions options;
    telemetry::Registry& registry;
    telemetry::Counter& rejected;
    telemetry::Counter& timed_out;
    telemetry::Counter& unyielding;

    mutable std::mutex mutex;
    std::condition_variable work_came;
    std::condition_variable work_ended;
    std::condition_variable may_be_held_up;  // work waits, and nobody looks yet for how long
    bool looks_for_held_up = false;
    std::deque<Entry> queue;
    std::size_t busy = 0;
    std::uint64_t mean_run_ns = 0;  // moving average, for retry_after
    bool closed = false;
    std::vector<Clock::time_point> began;  // of each thread in the background; max while idle
    std::vector<std::thread> threads;
};

namespace {

struct LaneWaiter : internal::Waiter {
    enum class State { outside, queued, running, done, refused };

    LaneWaiter(const Executor& executor, Lane::Impl& lane_impl, Context& of,
               FunctionRef<void()> what)
        : Waiter(executor), lane(lane_impl), context(of), work(what) {}
    // A coroutine that is destroyed while its work runs waits for it: the work uses its frame.
    ~LaneWaiter() {
        std::unique_lock lock(lane.mutex);
        withdraw();
        lane.work_ended.wait(lock, [this] { return state != State::running; });
    }

    // With the lock held.
    void withdraw() {
        if (state != State::queued) return;
        std::erase_if(lane.queue, [this](const Entry& entry) { return entry.waiter == this; });
        state = State::outside;
    }
    bool given_up() const { return context.is_cancelled() || context.deadline().passed(); }

    Lane::Impl& lane;
    Context& context;
    FunctionRef<void()> work;
    State state = State::outside;
    std::exception_ptr error;
    Usage usage;
};

}  // namespace

Lane::Impl::Impl(const LaneOptions& lane_options, telemetry::Registry& metrics)
    : options(lane_options),
      registry(metrics),
      rejected(metrics.counter("loadstone_lane_rejected_total",
                               telemetry::metric_label("lane", lane_options.name),
                               "Work that found the lane's queue full")),
      timed_out(metrics.counter("loadstone_lane_timed_out_total",
                                telemetry::metric_label("lane", lane_options.name),
                                "Work whose deadline passed in the lane's queue")),
      unyielding(metrics.counter("loadstone_lane_unyielding_total",
                                 telemetry::metric_label("lane", lane_options.name),
                                 "Work that ran at full weight because what runs in the background "
                                 "was held up")),
      began(static_cast<std::size_t>(std::max(0, lane_options.threads)), Clock::time_point::max()) {
    LOADSTONE_ASSERT(options.threads > 0, "a lane has a thread or more");
}

std::pair<std::size_t, std::size_t> Lane::Impl::queued_and_busy() const {
    std::lock_guard lock(mutex);
    return {queue.size(), busy};
}

std::string Lane::Impl::full_message() const {
    return fmt::format("the queue of lane {} is full: {} of {} waiting, {} of {} threads busy",
                       options.name, queue.size(), options.queue_max, busy, options.threads);
}

std::chrono::milliseconds Lane::Impl::drain_time() const {
    const auto per_thread = (queue.size() + 1) / static_cast<std::size_t>(options.threads) + 1;
    const std::chrono::milliseconds wait(per_thread * mean_run_ns / 1'000'000);
    return std::clamp(wait, std::chrono::milliseconds(100), std::chrono::milliseconds(30'000));
}

void Lane::Impl::start() {
    const std::string labels = telemetry::metric_label("lane", options.name);
    registry.gauge(this, "loadstone_lane_queued", labels, "Work that waits for a thread",
                   [this] { return static_cast<double>(queued_and_busy().first); });
    registry.gauge(this, "loadstone_lane_busy", labels, "Threads that run work",
                   [this] { return static_cast<double>(queued_and_busy().second); });
    for (std::size_t i = 0; i < began.size(); ++i) threads.emplace_back([this, i] { serve(i); });
    if (options.in_background) threads.emplace_back([this] { serve_when_held_up(); });
}

void Lane::Impl::stop() {
    registry.remove_gauges(this);
    {
        std::lock_guard lock(mutex);
        closed = true;
        for (Entry& entry : std::exchange(queue, {})) {
            if (entry.waiter == nullptr) continue;
            entry.waiter->state = LaneWaiter::State::refused;
            entry.waiter->ring();
        }
    }
    work_came.notify_all();
    may_be_held_up.notify_all();
    for (std::thread& thread : threads) thread.join();
}

Entry Lane::Impl::take() {
    Entry entry = std::move(queue.front());
    queue.pop_front();
    return entry;
}

void Lane::Impl::announce(bool unwatched) {
    work_came.notify_one();
    if (unwatched && options.in_background) may_be_held_up.notify_one();
}

void Lane::Impl::serve(std::size_t index) {
    name_thread(fmt::format("{}-{}", options.name, index));
    if (options.in_background) run_in_background();
    const RunDelay delay;
    std::unique_lock lock(mutex);
    for (;;) {
        work_came.wait(lock, [this] { return closed || !queue.empty(); });
        if (closed) return;
        Entry entry = take();
        ++busy;
        began[index] = Clock::now();
        run_entry(entry, delay, lock);
        began[index] = Clock::time_point::max();
        --busy;
    }
}

// Work that waits while a piece has run for `patience`, or has waited so long without one running:
// the threads in the background do not get the CPU.
void Lane::Impl::serve_when_held_up() {
    name_thread(fmt::format("{}-full", options.name));
    const RunDelay delay;
    std::unique_lock lock(mutex);
    auto waits_since = Clock::now();
    while (!closed) {
        if (queue.empty()) {
            looks_for_held_up = false;
            may_be_held_up.wait(lock);
            waits_since = Clock::now();
            continue;
        }
        looks_for_held_up = true;
        const auto oldest = *std::ranges::min_element(began);
        const bool none_runs = oldest == Clock::time_point::max();
        if (!none_runs) waits_since = Clock::now();
        const auto due = (none_runs ? waits_since : oldest) + options.patience;
        if (Clock::now() < due) {
            may_be_held_up.wait_until(lock, due);
            continue;
        }
        Entry entry = take();
        unyielding.add();
        ++busy;
        run_entry(entry, delay, lock);
        --busy;
    }
}

void Lane::Impl::run_entry(Entry& entry, const RunDelay& delay,
                           std::unique_lock<std::mutex>& lock) {
    if (entry.waiter != nullptr) {
        run_waiting(*entry.waiter, delay, lock);
        return;
    }
    lock.unlock();
    try {
        entry.work();
    } catch (...) {
        log::error("work on a lane threw",
                   {{"lane", options.name},
                    {"error", error_from_exception(std::current_exception()).message()}});
    }
    entry.work = nullptr;  // destroyed without the lock
    lock.lock();
}

void Lane::Impl::run_waiting(LaneWaiter& waiter, const RunDelay& delay,
                             std::unique_lock<std::mutex>& lock) {
    if (waiter.given_up()) {
        waiter.state = LaneWaiter::State::refused;
        waiter.ring();
        return;
    }
    waiter.state = LaneWaiter::State::running;
    lock.unlock();

    Usage& usage = waiter.usage;
    const telemetry::AllocationCount allocations = telemetry::thread_allocations();
    const std::uint64_t delay_ns = delay.read();
    const std::uint64_t cpu_ns = telemetry::thread_cpu_ns();
    usage.began = telemetry::tsc();
    try {
        waiter.work();
    } catch (...) {
        waiter.error = std::current_exception();
    }
    usage.ended = telemetry::tsc();
    usage.cpu_ns = telemetry::thread_cpu_ns() - cpu_ns;
    usage.run_delay_ns = delay.read() - delay_ns;
    const telemetry::AllocationCount now = telemetry::thread_allocations();
    usage.allocations = {now.count - allocations.count, now.bytes - allocations.bytes};
    const std::uint64_t run_ns = telemetry::tsc_to_ns(usage.ended - usage.began);

    lock.lock();
    mean_run_ns = mean_run_ns == 0 ? run_ns : (mean_run_ns * 7 + run_ns) / 8;
    waiter.state = LaneWaiter::State::done;
    waiter.ring();
    work_ended.notify_all();
}

Lane::Lane(const LaneOptions& options, telemetry::Registry& registry)
    : impl_(std::make_shared<Impl>(options, registry)) {
    impl_->start();
}

Lane::~Lane() { impl_->stop(); }

bool Lane::post(std::function<void()> work) {
    bool unwatched = false;
    {
        std::lock_guard lock(impl_->mutex);
        if (impl_->closed) return false;
        if (impl_->queue.size() >= impl_->options.queue_max) {
            impl_->rejected.add();
            return false;
        }
        impl_->queue.push_back(Entry{nullptr, std::move(work)});
        unwatched = !impl_->looks_for_held_up;
    }
    impl_->announce(unwatched);
    return true;
}

namespace {

void enqueue(LaneWaiter& waiter) {
    Lane::Impl& lane = waiter.lane;
    bool unwatched = false;
    {
        std::lock_guard lock(lane.mutex);
        if (lane.closed) {
            throw Error(Errc::cancelled, fmt::format("lane {} is closed", lane.options.name));
        }
        if (lane.queue.size() >= lane.options.queue_max) {
            lane.rejected.add();
            throw Error(Errc::unavailable, lane.full_message()).with_retry_after(lane.drain_time());
        }
        lane.queue.push_back(Entry{&waiter, nullptr});
        waiter.state = LaneWaiter::State::queued;
        unwatched = !lane.looks_for_held_up;
    }
    lane.announce(unwatched);
}

// After the deadline or a ring: what became of the work. `running` is waited for.
LaneWaiter::State outcome(LaneWaiter& waiter) {
    std::lock_guard lock(waiter.lane.mutex);
    if (waiter.state == LaneWaiter::State::queued) {
        waiter.withdraw();
        waiter.state = LaneWaiter::State::refused;
    }
    return waiter.state;
}

[[noreturn]] void throw_refused(LaneWaiter& waiter, std::uint64_t queued_ns) {
    Lane::Impl& lane = waiter.lane;
    if (waiter.context.deadline().passed()) {
        lane.timed_out.add();
        throw Error(Errc::deadline_exceeded,
                    fmt::format("the deadline passed after {} ms in the queue of lane {}",
                                queued_ns / 1'000'000, lane.options.name));
    }
    throw Error(Errc::cancelled, fmt::format("cancelled after {} ms in the queue of lane {}",
                                             queued_ns / 1'000'000, lane.options.name));
}

void account(telemetry::Span& span, const Usage& usage, std::uint64_t queued, std::uint64_t now) {
    const auto used =
        static_cast<std::uint64_t>(static_cast<double>(usage.cpu_ns) / telemetry::ns_per_tsc());
    span.cpu_tsc += used;
    span.lane_tsc += used;
    span.allocations += usage.allocations.count;
    span.allocated_bytes += usage.allocations.bytes;
    // Before it ran, while it was preempted, and until the loop took notice.
    const std::uint64_t waited = (usage.began - queued) + (now - usage.ended);
    span.waited(WaitKind::run_queue, telemetry::tsc_to_ns(waited) + usage.run_delay_ns);
}

}  // namespace

Task<void> Lane::run_erased(Context& context, FunctionRef<void()> work) {
    const std::shared_ptr<Impl> impl = impl_;  // the lane may be gone when this is destroyed
    context.throw_if_done("a lane");
    const Executor executor = co_await asio::this_coro::executor;
    LaneWaiter waiter(executor, *impl, context, work);
    const std::uint64_t queued = telemetry::tsc();
    enqueue(waiter);
    Deadline deadline = context.deadline();
    for (;;) {
        co_await waiter.sleep(deadline);
        const LaneWaiter::State state = outcome(waiter);
        const std::uint64_t now = telemetry::tsc();
        if (state == LaneWaiter::State::done) {
            account(context.span(), waiter.usage, queued, now);
            break;
        }
        if (state == LaneWaiter::State::refused) {
            const std::uint64_t queued_ns = telemetry::tsc_to_ns(now - queued);
            context.span().waited(WaitKind::run_queue, queued_ns);
            throw_refused(waiter, queued_ns);
        }
        deadline = Deadline::unbounded();  // it runs: work that has begun is waited for
    }
    if (waiter.error) std::rethrow_exception(waiter.error);
}

}  // namespace loadstone::runtime
