#pragma once
// Registry: labels (routes, job kinds, named queries) and what was recorded of them, in bounded
// memory. Labels are given out at start; each thread that records has a shard of its own, written
// without locks; readers add the shards up. Above `labels_max` everything goes to label 0, "other",
// and is counted. Counters and gauges of limits are here as well.
//
// Thread safety: add_* and shard() at any time from any thread (locked); Shard methods only from
// the shard's thread; snapshot() from any thread.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "loadstone/telemetry/histogram.h"
#include "loadstone/telemetry/span.h"

namespace loadstone::telemetry {

enum class LabelKind : std::uint8_t { other, route, job, query };

struct Label {
    LabelKind kind = LabelKind::other;
    std::string name;    // "POST /api/register", "notifications.SendWelcomeEmail", "accounts.user_by_id"
    std::string module;  // "accounts"; empty for the framework's own
};

// What was recorded of one route or job kind, added up.
struct ActivityTotals {
    std::uint64_t count = 0, failures = 0;
    std::uint64_t cpu_ns = 0, allocations = 0, allocated_bytes = 0, bytes_in = 0, bytes_out = 0;
    std::uint64_t statements = 0, rows = 0;
    std::array<std::uint64_t, wait_kind_count> wait_ns{};
    HistogramCounts latency;
    std::vector<QueryUse> queries;  // heaviest first
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

class Shard;

class Registry {
public:
    static constexpr std::size_t labels_max = 1024;

    Registry();
    ~Registry();
    Registry(const Registry&) = delete;
    Registry& operator=(const Registry&) = delete;

    // The same kind and name give the same index. `name_of` stays valid as long as the registry.
    LabelIndex add_label(LabelKind kind, std::string_view name, std::string_view module);
    const char* name_of(LabelIndex label) const noexcept;

    // A counter by its Prometheus name and labels, e.g. ("loadstone_bulkhead_rejected_total",
    // "module=\"accounts\"", "Requests that ..."); the same name and labels give the same counter.
    Counter& counter(std::string_view name, std::string_view labels, std::string_view help);
    // A gauge is a function that is called when metrics are read (from any thread). It must stay
    // callable until the registry is gone or remove_gauges(owner) was called.
    void gauge(const void* owner, std::string_view name, std::string_view labels, std::string_view help,
               std::function<double()> read);
    void remove_gauges(const void* owner);

    // The calling thread's shard, made on first use. Shards outlive their threads.
    Shard& shard();

    Snapshot snapshot() const;
    // Prometheus text format 0.0.4 of everything.
    std::string prometheus() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

class Shard {
public:
    // Adds a finished span under its label. `cpu_share` (0..1) is how much of the loop's slice time
    // the thread really had a CPU; the rest of the slices counts as run_queue wait.
    void record(const Span& span, double cpu_share) noexcept;
    void record_query(LabelIndex query, std::uint64_t ns, std::uint64_t rows, bool failed) noexcept;

private:
    friend class Registry;
    Shard();
    struct Activity;
    struct QueryRow;
    // Allocated on the first record of a label, published with release order.
    std::array<std::atomic<Activity*>, Registry::labels_max> activities_{};
    std::array<std::atomic<QueryRow*>, Registry::labels_max> queries_{};
public:
    ~Shard();
};

}  // namespace loadstone::telemetry
