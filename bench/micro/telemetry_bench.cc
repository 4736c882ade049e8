// What accounting costs per request: one Span start and one Shard::record, two tsc() per slice and
// per wait, one record_query per statement.

#include <benchmark/benchmark.h>

#include <string>

#include "loadstone/telemetry/registry.h"
#include "loadstone/telemetry/span.h"
#include "loadstone/telemetry/thread_usage.h"

namespace loadstone::telemetry {
namespace {

void tsc_read(benchmark::State& state) {
    for (auto _ : state) benchmark::DoNotOptimize(tsc());
}
BENCHMARK(tsc_read);

void wait_measured(benchmark::State& state) {
    Span span;
    for (auto _ : state) {
        Wait wait(span, WaitKind::lock);
        benchmark::DoNotOptimize(&wait);
    }
    benchmark::DoNotOptimize(span.wait_ns);
}
BENCHMARK(wait_measured);

void thread_allocations_read(benchmark::State& state) {
    for (auto _ : state) benchmark::DoNotOptimize(thread_allocations());
}
BENCHMARK(thread_allocations_read);

void thread_cpu_read(benchmark::State& state) {
    for (auto _ : state) benchmark::DoNotOptimize(thread_cpu_ns());
}
BENCHMARK(thread_cpu_read);

void span_start(benchmark::State& state) {
    Span span;
    for (auto _ : state) {
        span.start(1, "GET /");
        benchmark::DoNotOptimize(&span);
        benchmark::ClobberMemory();
    }
}
BENCHMARK(span_start);

void shard_look_up(benchmark::State& state) {
    Registry registry;
    for (auto _ : state) benchmark::DoNotOptimize(&registry.shard());
}
BENCHMARK(shard_look_up);

// A span as of a route with `range` named queries.
Span used_span(LabelIndex label, std::int64_t queries) {
    Span span;
    span.start(label, "GET /");
    span.cpu_tsc = 400'000;
    span.slices = 4;
    span.waited(WaitKind::database, 100'000);
    for (std::int64_t query = 0; query < queries; ++query) {
        span.used_query(static_cast<LabelIndex>(2 + query), 20'000, 1);
    }
    return span;
}

void shard_record(benchmark::State& state) {
    Registry registry;
    const LabelIndex label = registry.add_label(LabelKind::route, "GET /", "");
    Shard& shard = registry.shard();
    const Span span = used_span(label, state.range(0));
    for (auto _ : state) shard.record(span, 0.97);
}
BENCHMARK(shard_record)->Arg(0)->Arg(2)->Arg(8);

void shard_record_query(benchmark::State& state) {
    Registry registry;
    const LabelIndex query = registry.add_label(LabelKind::query, "all", "");
    Shard& shard = registry.shard();
    for (auto _ : state) shard.record_query(query, 20'000, 1, false);
}
BENCHMARK(shard_record_query);

// As a loop does it for a request: over `range` routes in turn, so that rows are not all in cache.
void span_start_to_record(benchmark::State& state) {
    Registry registry;
    const auto routes = static_cast<LabelIndex>(state.range(0));
    for (LabelIndex i = 0; i < routes; ++i) {
        registry.add_label(LabelKind::route, "GET /" + std::to_string(i), "");
    }
    Span span;
    LabelIndex route = 0;
    for (auto _ : state) {
        route = static_cast<LabelIndex>(route % routes + 1);
        span.start(route, "GET /");
        span.cpu_tsc += 400'000;
        span.used_query(2, 20'000, 1);
        benchmark::DoNotOptimize(&span);
        registry.shard().record(span, 0.97);
    }
}
BENCHMARK(span_start_to_record)->Arg(1)->Arg(200);

void snapshot_of_all(benchmark::State& state) {
    Registry registry;
    for (std::size_t i = 1; i < Registry::labels_max; ++i) {
        const LabelIndex label =
            registry.add_label(LabelKind::route, "GET /" + std::to_string(i), "");
        registry.shard().record(used_span(label, 2), 0.97);
    }
    for (auto _ : state) benchmark::DoNotOptimize(registry.snapshot());
}
BENCHMARK(snapshot_of_all)->Unit(benchmark::kMillisecond);

void prometheus_of_200_routes(benchmark::State& state) {
    Registry registry;
    for (int i = 0; i < 200; ++i) {
        const LabelIndex label =
            registry.add_label(LabelKind::route, "GET /" + std::to_string(i), "");
        registry.shard().record(used_span(label, 2), 0.97);
    }
    for (auto _ : state) benchmark::DoNotOptimize(registry.prometheus());
}
BENCHMARK(prometheus_of_200_routes)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace loadstone::telemetry
