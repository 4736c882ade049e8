// What the runtime costs per unit of work: a slice on a span executor against one on the plain
// executor of the loop, and the paths of the semaphore. Compare rows of one run: the ratios count.

#include <benchmark/benchmark.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "loadstone/runtime/internal/span_executor.h"
#include "loadstone/runtime/lane.h"
#include "loadstone/runtime/semaphore.h"
#include "loadstone/runtime/task_scope.h"

namespace loadstone::runtime {
namespace {

namespace asio = boost::asio;
using internal::LoopExecutor;
using internal::SpanExecutor;

// The calling thread as a loop, so that nothing is measured but the work itself.
struct BenchLoop {
    asio::io_context io{1};
    internal::LoopMeter meter;
    SpanSlot slot;
    telemetry::Span span;

    BenchLoop() {
        meter.attach(0);
        internal::loop_meter = &meter;
        span.start(0, "bench");
        slot.enter(&span);
    }
    ~BenchLoop() { internal::loop_meter = nullptr; }

    Executor plain() { return io.get_executor(); }
    Executor spanned() { return SpanExecutor<LoopExecutor>(io.get_executor(), &slot); }
    void run() {
        io.restart();
        io.run();
    }
};

constexpr int turns = 1000;

// A task that gives way `turns` times: each turn is one slice.
Task<void> give_way() {
    for (int i = 0; i < turns; ++i) co_await asio::post(asio::use_awaitable);
}

// The same by an operation of the loop that completes, as I/O does: there the executor of the loop
// itself has a shortcut that no other executor has. A cancelled timer behind an earlier one needs
// no system call.
Task<void> complete(asio::io_context& io) {
    asio::steady_timer earlier(io.get_executor(), std::chrono::hours(1));
    earlier.async_wait([](const boost::system::error_code&) {});
    asio::steady_timer timer(io.get_executor(), std::chrono::hours(2));
    boost::system::error_code cancelled;
    for (int i = 0; i < turns; ++i) {
        asio::post(io, [&timer] { timer.cancel(); });
        co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
    }
}

void run_posts(benchmark::State& state, BenchLoop& loop, const Executor& executor) {
    for (auto _ : state) {
        asio::co_spawn(executor, give_way(), asio::detached);
        loop.run();
    }
    state.SetItemsProcessed(state.iterations() * turns);
}

void run_completions(benchmark::State& state, BenchLoop& loop, const Executor& executor) {
    for (auto _ : state) {
        asio::co_spawn(executor, complete(loop.io), asio::detached);
        loop.run();
    }
    state.SetItemsProcessed(state.iterations() * turns);
}

void slice_posted_plain(benchmark::State& state) {
    BenchLoop loop;
    run_posts(state, loop, loop.plain());
}
BENCHMARK(slice_posted_plain);

void slice_posted_spanned(benchmark::State& state) {
    BenchLoop loop;
    run_posts(state, loop, loop.spanned());
}
BENCHMARK(slice_posted_spanned);

void slice_completed_plain(benchmark::State& state) {
    BenchLoop loop;
    run_completions(state, loop, loop.plain());
}
BENCHMARK(slice_completed_plain);

void slice_completed_spanned(benchmark::State& state) {
    BenchLoop loop;
    run_completions(state, loop, loop.spanned());
}
BENCHMARK(slice_completed_spanned);

void slice_scope_alone(benchmark::State& state) {
    BenchLoop loop;
    for (auto _ : state) {
        const SliceScope scope(&loop.slot);
        benchmark::DoNotOptimize(&scope);
    }
}
BENCHMARK(slice_scope_alone);

void slot_enter_inside_a_slice(benchmark::State& state) {
    BenchLoop loop;
    telemetry::Span other;
    const SliceScope scope(&loop.slot);
    for (auto _ : state) {
        loop.slot.enter(&other);
        loop.slot.enter(&loop.span);
    }
    state.SetItemsProcessed(2 * state.iterations());
}
BENCHMARK(slot_enter_inside_a_slice);

void semaphore_fast_path(benchmark::State& state) {
    Semaphore semaphore(4, 4);
    for (auto _ : state) {
        benchmark::DoNotOptimize(semaphore.try_acquire());
        semaphore.release();
    }
}
BENCHMARK(semaphore_fast_path);

Task<void> pass_on(Semaphore& semaphore) {
    for (int i = 0; i < turns; ++i) {
        const Acquired acquired = co_await semaphore.acquire(Deadline::unbounded());
        if (acquired != Acquired::yes) co_return;
        co_await asio::post(asio::use_awaitable);
        semaphore.release();
    }
}

// Two tasks of one loop that always find the permit taken: one wait with its timer per item.
void semaphore_handed_over(benchmark::State& state) {
    BenchLoop loop;
    Semaphore semaphore(1, 4);
    for (auto _ : state) {
        asio::co_spawn(loop.plain(), pass_on(semaphore), asio::detached);
        asio::co_spawn(loop.plain(), pass_on(semaphore), asio::detached);
        loop.run();
    }
    state.SetItemsProcessed(2 * state.iterations() * turns);
}
BENCHMARK(semaphore_handed_over);

Task<void> run_on(Lane& lane, Context& context) {
    auto work = [] {};
    for (int i = 0; i < turns; ++i) co_await lane.run(context, work);
}

// A round trip to another thread and back, with its accounting.
void lane_round_trip(benchmark::State& state) {
    telemetry::Registry registry;
    const Services services;
    Lane lane(LaneOptions{.name = "bench"}, registry);
    Context context(services, Deadline::unbounded());
    BenchLoop loop;
    for (auto _ : state) {
        asio::co_spawn(loop.plain(), run_on(lane, context), asio::detached);
        loop.run();
    }
    state.SetItemsProcessed(state.iterations() * turns);
}
BENCHMARK(lane_round_trip)->UseRealTime();

Task<void> nothing() { co_return; }

void task_scope_spawn(benchmark::State& state) {
    BenchLoop loop;
    TaskScope scope("bench");
    for (auto _ : state) {
        for (int i = 0; i < turns; ++i) scope.spawn(loop.plain(), nothing());
        loop.run();
    }
    state.SetItemsProcessed(state.iterations() * turns);
}
BENCHMARK(task_scope_spawn);

}  // namespace
}  // namespace loadstone::runtime
