#pragma once
// Registry: labels (routes, job kinds, named queries) and what was recorded of them, in bounded
// memory. Labels are given out at start; each thread that records has a shard of its own, written
// without locks; readers add the shards up. Above `labels_max` everything goes to label 0,
// "other", and is counted (loadstone_labels_overflow_total). Counters and gauges of limits are
// here as well.
//
// A label costs at most 3.3 KB per shard, from its first record on; a shard 16 KB. A shard whose
// thread has ended goes to the next new thread: there are as many as threads recorded at one time.
//
// Thread safety: add_* and shard() at any time from any thread (locked); Shard methods only from
// the shard's thread; snapshot() from any thread: each number is torn-free and never goes back,
// but what is recorded meanwhile may be in one number and not yet in another. The registry
// outlives every call to it and to its shards; threads may end before or after it.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "loadstone/telemetry/histogram.h"
#include "loadstone/telemetry/span.h"
#include "loadstone/telemetry/statements.h"

namespace loadstone::telemetry {

enum class LabelKind : std::uint8_t { other, route, job, query };

struct Label {
    LabelKind kind = LabelKind::other;
    // "POST /api/register", "notifications.SendWelcomeEmail", "accounts.user_by_id"
    std::string name;
    std::string module;  // "accounts"; empty for the framework's own
};

// What was recorded of one route or job kind, added up.
struct ActivityTotals {
    std::uint64_t count = 0, failures = 0;
    std::uint64_t cpu_ns = 0, allocations = 0, allocated_bytes = 0, bytes_in = 0, bytes_out = 0;
    std::uint64_t statements = 0, rows = 0;
    std::array<std::uint64_t, wait_kind_count> wait_ns{};
    HistogramCounts latency;
    std::vector<QueryUse> queries;  // heaviest first; above 32, the rest as query 0
};

// What was recorded of one named query.
struct QueryTotals {
    std::uint64_t count = 0, failures = 0, rows = 0;
    HistogramCounts latency;
};

struct Snapshot {
    std::uint64_t taken_ns = 0;  // CLOCK_MONOTONIC
    std::vector<Label> labels;
    std::vector<ActivityTotals> activities;  // by LabelIndex
    std::vector<QueryTotals> queries;        // by LabelIndex
};

class Counter {
public:
    void add(std::uint64_t n = 1) noexcept { value_.fetch_add(n, std::memory_order_relaxed); }
    std::uint64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> value_{0};
};

// `name="value"` for the labels of a counter or gauge, with what must be escaped in it.
std::string metric_label(std::string_view name, std::string_view value);

class Shard;
class ShardPool;

class Registry {
public:
    static constexpr std::size_t labels_max = 1024;
    static constexpr std::size_t series_max = 4096;  // counters, and as many gauges and histograms

    // Without `recording` shards drop what they are given: only to measure what recording costs.
    // `statements_max`: pairs of a statement and a route or job that a shard tells apart.
    explicit Registry(bool recording = true,
                      std::size_t statements_max = StatementTable::entries_max_default);
    ~Registry();
    Registry(const Registry&) = delete;
    Registry& operator=(const Registry&) = delete;

    // The same kind and name give the same index. `name_of` stays valid as long as the registry.
    LabelIndex add_label(LabelKind kind, std::string_view name, std::string_view module);
    const char* name_of(LabelIndex label) const noexcept;

    // A counter by its Prometheus name (it ends in _total) and labels, comma-separated, e.g.
    // ("loadstone_bulkhead_rejected_total", metric_label("module", "accounts"), "Requests that
    // ..."). The same name and labels give the same counter; above `series_max` one counter serves
    // for all further ones and is not shown.
    Counter& counter(std::string_view name, std::string_view labels, std::string_view help);
    // A histogram of times by its Prometheus name (it ends in _seconds) and labels, as a counter;
    // above `series_max` one serves for all further ones and is not shown. One thread writes to it
    // at a time.
    Histogram& histogram(std::string_view name, std::string_view labels, std::string_view help);
    // A gauge is a function that is called when metrics are read (from any thread). It must stay
    // callable until the registry is gone or remove_gauges(owner) was called, which waits for
    // calls under way: so it must neither add or remove gauges nor take a lock under which that is
    // done. Of two with the same name (not ending in _total) and labels the newer one counts.
    void gauge(const void* owner, std::string_view name, std::string_view labels,
               std::string_view help, std::function<double()> read);
    void remove_gauges(const void* owner);

    // The calling thread's shard, made on first use. What is in it outlives the thread.
    Shard& shard();

    Snapshot snapshot() const;
    // What was recorded of each statement in each route and job, in no order.
    std::vector<StatementTotals> statements() const;
    // Prometheus text format 0.0.4 of everything.
    std::string prometheus() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

class Shard {
public:
    ~Shard();
    Shard(const Shard&) = delete;
    Shard& operator=(const Shard&) = delete;

    // Adds a finished span under its label. `cpu_share` (0..1) is how much of the loop's slice
    // time the thread really had a CPU; the rest of the slices counts as run_queue wait. The first
    // record of a label allocates; without memory it is dropped.
    void record(const Span& span, double cpu_share) noexcept;
    void record_query(LabelIndex query, std::uint64_t ns, std::uint64_t rows, bool failed) noexcept;
    void record_statement(const StatementUse& use) noexcept;

private:
    friend class Registry;
    friend class ShardPool;
    struct Activity;
    struct QueryRow;

    Shard(bool recording, std::size_t statements_max);
    void add_to(Snapshot& snapshot) const;

    const bool recording_;
    // Allocated on the first record of a label, published with release order.
    std::array<std::atomic<Activity*>, Registry::labels_max> activities_{};
    std::array<std::atomic<QueryRow*>, Registry::labels_max> queries_{};
    StatementTable statements_;
};

}  // namespace loadstone::telemetry
