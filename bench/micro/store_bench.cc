// SQLite: durable transactions of two inserts by 64 writers, with group commit and without, and
// reads by key in a loop's slices. One item is one transaction, or one read; `per_fsync` is
// transactions by fsync. Where the temporary folder is on a memory file system, fsyncs cost
// nothing.

#include <benchmark/benchmark.h>
#include <stdlib.h>

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <filesystem>
#include <string>

#include "loadstone/runtime/task_scope.h"
#include "loadstone/store/context_store.h"

namespace loadstone::store {
namespace {

constexpr int connections = 64;

constexpr Command create_items{
    .name = "bench.create_items",
    .sqlite = "create table items (id integer primary key, name text not null, number integer)"};
constexpr Command add_item{
    .name = "bench.add_item",
    .sqlite = "insert into items (name, number) values (?1, ?2) returning id",
    .parameters = 2};
constexpr Query item_by_id{.name = "bench.item_by_id",
                           .sqlite = "select id, name, number from items where id = ?1",
                           .parameters = 1};

struct Item {
    std::int64_t id = 0;
    std::string name;
    std::int64_t number = 0;
};
BOOST_DESCRIBE_STRUCT(Item, (), (id, name, number))

Task<void> create_table(Tx& tx) { co_await tx.exec(create_items); }

Task<std::int64_t> create_two(Tx& tx, std::int64_t number) {
    const auto first = co_await tx.one<std::int64_t>(add_item, "the first of two", number);
    const auto second = co_await tx.one<std::int64_t>(add_item, "the second of two", first);
    co_return second;
}

struct Bench {
    explicit Bench(bool group_commit) {
        std::string name = (std::filesystem::temp_directory_path() / "bench-XXXXXX").string();
        folder = ::mkdtemp(name.data());
        DatabaseOptions options;
        options.url = "sqlite:" + (folder / "bench.db").string();
        options.group_commit = group_commit;
        database = open_database(options, registry);
        services.add(*database);
        loops.start();
        database->start(loops);
        each_connection(1, [this](std::int64_t) { return create(); });
    }
    ~Bench() {
        database->stop();
        loops.stop();
        std::filesystem::remove_all(folder);
    }
    Bench(const Bench&) = delete;
    Bench& operator=(const Bench&) = delete;

    template <class Work>
    void each_connection(int number, Work work) {
        runtime::TaskScope scope("bench");
        for (int i = 0; i < number; ++i) scope.spawn(loops.executor(0), work(i));
        scope.join_blocking(Deadline::in(std::chrono::minutes(5)));
    }
    Task<void> create() {
        Context context(services, Deadline::unbounded());
        co_await context.write(create_table);
    }
    Task<void> write(std::int64_t transactions) {
        for (std::int64_t i = 0; i < transactions; ++i) {
            Context context(services, Deadline::in(std::chrono::seconds(30)));
            benchmark::DoNotOptimize(co_await context.write(create_two, i));
        }
    }
    Task<void> read(std::int64_t reads) {
        for (std::int64_t i = 0; i < reads; ++i) {
            Context context(services, Deadline::in(std::chrono::seconds(30)));
            benchmark::DoNotOptimize(co_await context.reader().one<Item>(item_by_id, i % 100 + 1));
            // As a connection does between two requests: others have their turn.
            co_await boost::asio::post(boost::asio::use_awaitable);
        }
    }
    double counted(const char* name) {
        return static_cast<double>(
            registry.counter(name, telemetry::metric_label("database", "sqlite"), "").value());
    }

    telemetry::Registry registry;
    runtime::Services services;
    runtime::Loops loops{runtime::LoopsOptions{1, std::chrono::seconds(10)}, registry};
    std::filesystem::path folder;
    std::unique_ptr<Database> database;
};

void write(benchmark::State& state, bool group_commit, std::int64_t per_connection) {
    Bench bench(group_commit);
    double transactions = 0;
    const double fsyncs = bench.counted("loadstone_store_fsyncs_total");
    for (auto _ : state) {
        bench.each_connection(connections,
                              [&](std::int64_t) { return bench.write(per_connection); });
        transactions += static_cast<double>(connections * per_connection);
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(transactions));
    state.counters["per_fsync"] =
        transactions / (bench.counted("loadstone_store_fsyncs_total") - fsyncs);
}

void sqlite_write_grouped(benchmark::State& state) { write(state, true, 500); }
BENCHMARK(sqlite_write_grouped)->UseRealTime()->Unit(benchmark::kMillisecond);

void sqlite_write_ungrouped(benchmark::State& state) { write(state, false, 20); }
BENCHMARK(sqlite_write_ungrouped)->UseRealTime()->Unit(benchmark::kMillisecond);

void sqlite_read_by_key(benchmark::State& state) {
    Bench bench(true);
    constexpr std::int64_t reads = 100'000;
    const std::int64_t readers = state.range(0);
    bench.each_connection(1, [&](std::int64_t) { return bench.write(100); });
    for (auto _ : state) {
        bench.each_connection(static_cast<int>(readers),
                              [&](std::int64_t) { return bench.read(reads / readers); });
    }
    state.SetItemsProcessed(state.iterations() * (reads / readers) * readers);
}
BENCHMARK(sqlite_read_by_key)->Arg(1)->Arg(64)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace loadstone::store
