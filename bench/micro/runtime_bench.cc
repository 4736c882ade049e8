// What the runtime costs per unit of work: a slice on a span executor against one on the plain
// executor of the loop, and the paths of the primitives. Compare rows of one run: the ratios
// count.

#include <benchmark/benchmark.h>

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "loadstone/runtime/lane.h"
#include "loadstone/runtime/loops.h"
#include "loadstone/runtime/semaphore.h"
#include "loadstone/runtime/task_scope.h"
#include "loadstone/runtime/testing.h"

namespace loadstone::runtime {
namespace {

namespace asio = boost::asio;

constexpr int turns = 10'000;  // of a loop per iteration, so that starting it does not count

struct Bench {
    telemetry::Registry registry;
    Services services;
    Loops loops{LoopsOptions{1, std::chrono::milliseconds(60'000)}, registry};
    SpanSlot slot;
    telemetry::Span span;

    Bench() {
        span.start(0, "bench");
        slot.enter(&span);
        loops.start();
    }
    Executor plain() { return loops.executor(0); }
    Executor spanned() { return loops.span_executor(0, slot); }
};

// Each turn is one slice.
Task<void> give_way() {
    for (int i = 0; i < turns; ++i) co_await asio::post(asio::use_awaitable);
}

// The same by an operation of the loop that completes, as I/O does: there the executor of the loop
// itself has a shortcut that no other executor has. A cancelled timer behind an earlier one needs
// no system call.
Task<void> complete(const Executor& loop) {
    asio::steady_timer earlier(loop, std::chrono::hours(1));
    earlier.async_wait([](const boost::system::error_code&) {});
    asio::steady_timer timer(loop, std::chrono::hours(2));
    boost::system::error_code cancelled;
    for (int i = 0; i < turns; ++i) {
        asio::post(loop, [&timer] { timer.cancel(); });
        co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
    }
}

template <class MakeTask>
void run(benchmark::State& state, const Executor& executor, MakeTask make_task) {
    for (auto _ : state) testing::run_blocking(executor, make_task());
    state.SetItemsProcessed(state.iterations() * turns);
}

void slice_posted_plain(benchmark::State& state) {
    Bench bench;
    run(state, bench.plain(), give_way);
}
BENCHMARK(slice_posted_plain)->UseRealTime();

void slice_posted_spanned(benchmark::State& state) {
    Bench bench;
    run(state, bench.spanned(), give_way);
}
BENCHMARK(slice_posted_spanned)->UseRealTime();

void slice_completed_plain(benchmark::State& state) {
    Bench bench;
    run(state, bench.plain(), [&] { return complete(bench.plain()); });
}
BENCHMARK(slice_completed_plain)->UseRealTime();

void slice_completed_spanned(benchmark::State& state) {
    Bench bench;
    run(state, bench.spanned(), [&] { return complete(bench.plain()); });
}
BENCHMARK(slice_completed_spanned)->UseRealTime();

Task<void> switch_spans(SpanSlot& slot, telemetry::Span& one, telemetry::Span& other) {
    for (int i = 0; i < turns / 2; ++i) {
        slot.enter(&other);
        slot.enter(&one);
    }
    co_return;
}

void slot_enter_inside_a_slice(benchmark::State& state) {
    Bench bench;
    telemetry::Span other;
    run(state, bench.spanned(), [&] { return switch_spans(bench.slot, bench.span, other); });
}
BENCHMARK(slot_enter_inside_a_slice)->UseRealTime();

void semaphore_fast_path(benchmark::State& state) {
    Semaphore semaphore(4, 4);
    for (auto _ : state) {
        benchmark::DoNotOptimize(semaphore.try_acquire());
        semaphore.release();
    }
}
BENCHMARK(semaphore_fast_path);

Task<void> pass_on(Semaphore& semaphore) {
    for (int i = 0; i < turns / 2; ++i) {
        const Acquired acquired = co_await semaphore.acquire(Deadline::unbounded());
        if (acquired != Acquired::yes) co_return;
        co_await asio::post(asio::use_awaitable);
        semaphore.release();
    }
}

// Two tasks of one loop that always find the permit taken: a wait and a turn for each item.
void semaphore_handed_over(benchmark::State& state) {
    Bench bench;
    Semaphore semaphore(1, 4);
    TaskScope scope("bench");
    for (auto _ : state) {
        scope.spawn(bench.plain(), pass_on(semaphore));
        scope.spawn(bench.plain(), pass_on(semaphore));
        scope.join_blocking(Deadline::unbounded());
    }
    state.SetItemsProcessed(state.iterations() * turns);
}
BENCHMARK(semaphore_handed_over)->UseRealTime();

Task<void> run_on(Lane& lane, Context& context) {
    auto work = [] {};
    for (int i = 0; i < turns; ++i) co_await lane.run(context, work);
}

// To another thread and back, with the accounting.
void lane_round_trip(benchmark::State& state) {
    Bench bench;
    LaneOptions options;
    options.name = "bench";
    Lane lane(options, bench.registry);
    Context context(bench.services, Deadline::unbounded());
    run(state, bench.plain(), [&] { return run_on(lane, context); });
}
BENCHMARK(lane_round_trip)->UseRealTime();

Task<void> nothing() { co_return; }

Task<void> spawn_many(TaskScope& scope) {
    const Executor executor = co_await asio::this_coro::executor;
    for (int i = 0; i < turns; ++i) scope.spawn(executor, nothing());
    co_await scope.join(Deadline::unbounded());
}

void task_scope_spawn(benchmark::State& state) {
    Bench bench;
    TaskScope scope("bench");
    run(state, bench.plain(), [&] { return spawn_many(scope); });
}
BENCHMARK(task_scope_spawn)->UseRealTime();

}  // namespace
}  // namespace loadstone::runtime
