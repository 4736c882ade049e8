#include "loadstone/runtime/loops.h"

#include <fmt/core.h>
#include <pthread.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <deque>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "loadstone/base/assert.h"
#include "loadstone/base/error.h"
#include "loadstone/base/log.h"
#include "loadstone/runtime/internal/span_executor.h"
#include "loadstone/runtime/internal/virtual_time.h"
#include "loadstone/runtime/internal/watchdog.h"
#include "loadstone/runtime/loop_load.h"

namespace loadstone::runtime {

namespace asio = boost::asio;
using internal::LoopExecutor;
using internal::LoopMeter;

namespace {

class LoopContext : public asio::io_context {
public:
    LoopContext() : asio::io_context(1) {}  // one thread runs it

    // Destroys all handlers, and with them the suspended coroutines. Timers and sockets that
    // others own stay destructible until the context is destroyed.
    void abandon() { shutdown(); }
};

struct Loop {
    Loop(int loop_index, bool has_slices)
        : index(loop_index), slices(has_slices), work(io.get_executor()) {}

    void run() {
        pthread_setname_np(pthread_self(), fmt::format("loop-{}", index).c_str());
        meter.attach(index, slices);
        internal::loop_meter = &meter;
        while (!io.stopped()) {
            try {
                io.run();
            } catch (...) {
                log::error("a handler threw on a loop",
                           {{"loop", index},
                            {"error", error_from_exception(std::current_exception()).message()}});
            }
        }
        internal::loop_meter = nullptr;
    }

    bool poll() {
        if (!std::exchange(attached, true)) meter.attach(index, slices);
        internal::loop_meter = &meter;
        const bool any = io.poll() > 0;
        internal::loop_meter = nullptr;
        return any;
    }

    int index;
    bool slices;
    bool attached = false;  // polled, by whoever simulates
    LoopContext io;
    asio::executor_work_guard<LoopExecutor> work;
    LoopMeter meter;
    std::thread thread;
};

}  // namespace

struct Loops::Impl {
    telemetry::Registry& registry;
    std::deque<Loop> loops;
    std::optional<internal::Watchdog> watchdog;
    enum class State { fresh, running, stopped } state = State::fresh;

    explicit Impl(telemetry::Registry& metrics) : registry(metrics) {}

    Loop& at(int loop) {
        LOADSTONE_ASSERT(loop >= 0 && static_cast<std::size_t>(loop) < loops.size(),
                         "there is no loop of this index");
        return loops[static_cast<std::size_t>(loop)];
    }

    void add_gauges(Loop& loop) {
        const std::string labels = telemetry::metric_label("loop", std::to_string(loop.index));
        const LoopMeter* meter = &loop.meter;
        registry.gauge(this, "loadstone_loop_cpu_share", labels,
                       "How much of its slice time the loop's thread really had a CPU",
                       [meter] { return meter->cpu_share(); });
        registry.gauge(this, "loadstone_loop_slice_seconds", labels,
                       "Time that the loop spent in slices since it began", [meter] {
                           return static_cast<double>(telemetry::tsc_to_ns(meter->slices_tsc())) /
                                  1e9;
                       });
    }
};

Loops::Loops(const LoopsOptions& options, telemetry::Registry& registry)
    : impl_(std::make_unique<Impl>(registry)) {
    LOADSTONE_ASSERT(options.threads > 0, "loops need a thread");
    telemetry::ns_per_tsc();  // measured now and not in a slice
    std::vector<internal::Watchdog::Watched> watched;
    for (int i = 0; i < options.threads; ++i) {
        Loop& loop = impl_->loops.emplace_back(i, options.slices);
        impl_->add_gauges(loop);
        auto& blocked = registry.counter("loadstone_loop_blocked_total",
                                         telemetry::metric_label("loop", std::to_string(i)),
                                         "Slices that held their loop longer than the limit");
        watched.push_back({&loop.meter, &blocked});
    }
    impl_->watchdog.emplace(std::move(watched), options.blocked_after);
}

Loops::~Loops() {
    stop();
    impl_->registry.remove_gauges(impl_.get());
}

void Loops::start() {
    LOADSTONE_ASSERT(impl_->state == Impl::State::fresh, "loops are started once");
    impl_->state = Impl::State::running;
    for (Loop& loop : impl_->loops) loop.thread = std::thread([&loop] { loop.run(); });
    impl_->watchdog->start();
}

void Loops::stop() {
    if (impl_->state == Impl::State::stopped) return;
    LOADSTONE_ASSERT(current() < 0, "a loop cannot stop itself: it would wait for its own thread");
    impl_->state = Impl::State::stopped;
    impl_->watchdog->stop();
    for (Loop& loop : impl_->loops) loop.io.stop();
    for (Loop& loop : impl_->loops) {
        if (loop.thread.joinable()) loop.thread.join();
    }
    // What a destroyed coroutine gives to another loop's waiter is destroyed with the contexts.
    for (Loop& loop : impl_->loops) loop.io.abandon();
}

bool Loops::run_ready() {
    LOADSTONE_ASSERT(impl_->state != Impl::State::running, "its threads run it");
    bool any = false;
    for (Loop& loop : impl_->loops) any = loop.poll() || any;
    return any;
}

int Loops::size() const noexcept { return static_cast<int>(impl_->loops.size()); }

Executor Loops::executor(int loop) const { return impl_->at(loop).io.get_executor(); }

Executor Loops::span_executor(int loop, SpanSlot& slot) const {
    return internal::SpanExecutor<LoopExecutor>(impl_->at(loop).io.get_executor(), &slot);
}

int Loops::current() noexcept {
    return internal::loop_meter == nullptr ? -1 : internal::loop_meter->index();
}

double Loops::cpu_share() noexcept {
    return internal::loop_meter == nullptr ? 1.0 : internal::loop_meter->cpu_share();
}

double loop_load() noexcept {
    if (internal::loop_meter == nullptr || internal::virtual_time() != nullptr) return 0;
    return internal::loop_meter->load(telemetry::tsc());
}

void Loops::post(int loop, std::function<void()> work) const {
    asio::post(impl_->at(loop).io, [work = std::move(work)] {
        const SliceScope scope(nullptr);
        work();
    });
}

void SpanSlot::enter(telemetry::Span* span) noexcept {
    internal::LoopMeter* meter = internal::loop_meter;
    if (meter == nullptr || meter->slot() != this) {
        span_ = span;
        return;
    }
    meter->settle();
    span_ = span;
    meter->name_holder(this);
}

void settle_slice() noexcept {
    if (internal::loop_meter != nullptr && internal::loop_meter->in_slice()) {
        internal::loop_meter->settle();
    }
}

Task<void> sleep_until(Deadline deadline) {
    const Executor executor = co_await asio::this_coro::executor;
    boost::system::error_code error;
    if (internal::VirtualTime* const time = internal::virtual_time(); time != nullptr) {
        asio::steady_timer until(internal::loop_executor(executor));
        const internal::VirtualTime::Alarm alarm(*time, deadline.instant(), until);
        co_await until.async_wait(asio::redirect_error(asio::use_awaitable, error));
        co_return;
    }
    asio::steady_timer timer(internal::loop_executor(executor), deadline.instant());
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
    if (error) throw Error(Errc::cancelled, "the sleep was cancelled: its task is being stopped");
}

Task<void> yield() { co_await asio::post(asio::use_awaitable); }

}  // namespace loadstone::runtime
