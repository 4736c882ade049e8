#include <algorithm>
#include <new>

#include "loadstone/telemetry/internal/single_writer.h"
#include "loadstone/telemetry/registry.h"

namespace loadstone::telemetry {
namespace {

using Cell = std::atomic<std::uint64_t>;

std::uint64_t value_of(const Cell& cell) noexcept { return cell.load(std::memory_order_relaxed); }

// What one route or job kind did with its queries: the first `named_max` have a row of their own,
// in an open hash table of one cache line of keys; the others share the last.
class QueryTable {
public:
    void record(const QueryUse& use) noexcept {
        Row& row = rows_[slot_of(use.query)];
        bump(row.calls, use.calls);
        bump(row.ns, use.ns);
        bump(row.rows, use.rows);
    }

    void add_to(std::vector<QueryUse>& queries) const {
        for (std::size_t slot = 0; slot <= named_max; ++slot) {
            LabelIndex query = 0;
            if (slot != other) {
                query = keys_[slot].load(std::memory_order_relaxed);
                if (query == 0) continue;
            }
            const Row& row = rows_[slot];
            const std::uint64_t calls = value_of(row.calls);
            if (calls == 0) continue;
            auto sum = std::find_if(queries.begin(), queries.end(),
                                    [query](const QueryUse& use) { return use.query == query; });
            if (sum == queries.end()) {
                queries.emplace_back().query = query;
                sum = queries.end() - 1;
            }
            sum->calls += calls;
            sum->ns += value_of(row.ns);
            sum->rows += value_of(row.rows);
        }
    }

private:
    static constexpr std::size_t named_max = 32;
    static constexpr std::size_t other = named_max;

    struct Row {
        Cell calls, ns, rows;
    };

    std::size_t slot_of(LabelIndex query) noexcept {
        if (query == 0) return other;
        for (std::size_t i = 0; i < named_max; ++i) {
            const std::size_t slot = (query + i) % named_max;
            const LabelIndex key = keys_[slot].load(std::memory_order_relaxed);
            if (key == query) return slot;
            if (key == 0) {
                keys_[slot].store(query, std::memory_order_relaxed);
                return slot;
            }
        }
        return other;
    }

    std::array<std::atomic<LabelIndex>, named_max> keys_{};  // 0: free
    std::array<Row, named_max + 1> rows_{};
};

// Made on first use; null without memory.
template <class Row>
Row* row_of(std::atomic<Row*>& place) noexcept {
    Row* row = place.load(std::memory_order_relaxed);
    if (row == nullptr) {
        row = new (std::nothrow) Row();
        place.store(row, std::memory_order_release);
    }
    return row;
}

LabelIndex bounded(LabelIndex label) noexcept {
    return label < Registry::labels_max ? label : LabelIndex{0};
}

// Time by the TSC, of which two CPUs may differ by some ticks.
std::uint64_t ns_since(std::uint64_t started_tsc) noexcept {
    const std::uint64_t now = tsc();
    return now > started_tsc ? tsc_to_ns(now - started_tsc) : 0;
}

}  // namespace

// Rows of different threads share no cache line.
struct alignas(64) Shard::Activity {
    Cell count, failures, cpu_ns, allocations, allocated_bytes, bytes_in, bytes_out, statements,
        rows;
    std::array<Cell, wait_kind_count> wait_ns{};
    Histogram latency;
    QueryTable queries;

    void add_to(ActivityTotals& totals) const {
        totals.count += value_of(count);
        totals.failures += value_of(failures);
        totals.cpu_ns += value_of(cpu_ns);
        totals.allocations += value_of(allocations);
        totals.allocated_bytes += value_of(allocated_bytes);
        totals.bytes_in += value_of(bytes_in);
        totals.bytes_out += value_of(bytes_out);
        totals.statements += value_of(statements);
        totals.rows += value_of(rows);
        for (std::size_t i = 0; i < wait_kind_count; ++i) totals.wait_ns[i] += value_of(wait_ns[i]);
        HistogramCounts counts;
        latency.read_into(counts);
        totals.latency.add(counts);
        queries.add_to(totals.queries);
    }
};

struct alignas(64) Shard::QueryRow {
    Cell failures, rows;
    Histogram latency;

    void add_to(QueryTotals& totals) const {
        totals.failures += value_of(failures);
        totals.rows += value_of(rows);
        HistogramCounts counts;
        latency.read_into(counts);
        totals.latency.add(counts);
        totals.count = totals.latency.total;
    }
};

Shard::Shard(bool recording, std::size_t statements_max)
    : recording_(recording), statements_(statements_max) {}

Shard::~Shard() {
    for (const auto& row : activities_) delete row.load(std::memory_order_relaxed);
    for (const auto& row : queries_) delete row.load(std::memory_order_relaxed);
}

void Shard::record(const Span& span, double cpu_share) noexcept {
    if (!recording_) return;
    Activity* row = row_of(activities_[bounded(span.label)]);
    if (row == nullptr) return;

    const double share = cpu_share >= 0 ? std::min(cpu_share, 1.0) : 0;
    const std::uint64_t slices_ns = tsc_to_ns(span.cpu_tsc);
    const auto cpu_ns = static_cast<std::uint64_t>(static_cast<double>(slices_ns) * share);

    bump(row->count, 1);
    if (span.failed) bump(row->failures, 1);
    bump(row->cpu_ns, cpu_ns);
    bump(row->allocations, span.allocations);
    bump(row->allocated_bytes, span.allocated_bytes);
    bump(row->bytes_in, span.bytes_in);
    bump(row->bytes_out, span.bytes_out);
    bump(row->statements, span.statements);
    bump(row->rows, span.rows);
    for (std::size_t i = 0; i < wait_kind_count; ++i) bump(row->wait_ns[i], span.wait_ns[i]);
    bump(row->wait_ns[static_cast<std::size_t>(WaitKind::run_queue)], slices_ns - cpu_ns);
    row->latency.record(ns_since(span.started_tsc));
    for (std::size_t i = 0; i < span.query_count; ++i) row->queries.record(span.queries[i]);
}

void Shard::record_query(LabelIndex query, std::uint64_t ns, std::uint64_t rows,
                         bool failed) noexcept {
    if (!recording_) return;
    QueryRow* row = row_of(queries_[bounded(query)]);
    if (row == nullptr) return;
    if (failed) bump(row->failures, 1);
    bump(row->rows, rows);
    row->latency.record(ns);
}

void Shard::record_statement(const StatementUse& use) noexcept {
    if (recording_) statements_.record(use);
}

void Shard::add_to(Snapshot& snapshot) const {
    for (std::size_t i = 0; i < snapshot.labels.size(); ++i) {
        const Activity* activity = activities_[i].load(std::memory_order_acquire);
        if (activity != nullptr) activity->add_to(snapshot.activities[i]);
        const QueryRow* query = queries_[i].load(std::memory_order_acquire);
        if (query != nullptr) query->add_to(snapshot.queries[i]);
    }
}

}  // namespace loadstone::telemetry
