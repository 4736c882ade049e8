#pragma once
// Statements: what one named statement used in one route or job kind. StatementTable is a shard's
// part of it: one thread records, any thread reads torn-free numbers, no lock and, after the first
// record of a pair, no allocation.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "loadstone/telemetry/histogram.h"
#include "loadstone/telemetry/span.h"

namespace loadstone::telemetry {

// One execution.
struct StatementUse {
    LabelIndex statement = 0;
    LabelIndex activity = 0;  // the span's route or job kind
    bool failed = false;
    std::uint64_t ns = 0;       // in the database
    std::uint64_t rows = 0;     // given back
    std::uint64_t pool_ns = 0;  // waited for a connection before it
    std::uint64_t lock_ns = 0;  // waited for the writer's turn before it
    std::uint64_t scanned = 0;  // rows stepped through without an index
    std::uint64_t steps = 0;    // of SQLite's virtual machine
    std::uint64_t sorts = 0;
    std::uint64_t auto_indexes = 0;  // rows put into an index made for this execution alone
};

struct StatementTotals {
    LabelIndex statement = 0;
    LabelIndex activity = 0;
    bool is_other = false;  // all that found no place of their own
    std::uint64_t failures = 0, rows = 0, pool_ns = 0, lock_ns = 0;
    std::uint64_t scanned = 0, steps = 0, sorts = 0, auto_indexes = 0;
    HistogramCounts latency;  // total: the calls, sum_ns: the time in the database
};

class StatementTable {
public:
    static constexpr std::size_t entries_max_default = 1'024;

    // An entry costs 2.2 KB from its first record on; a place for one 16 bytes.
    explicit StatementTable(std::size_t entries_max);
    ~StatementTable();
    StatementTable(const StatementTable&) = delete;
    StatementTable& operator=(const StatementTable&) = delete;

    // Beyond `entries_max` pairs it is added to "other"; without memory it is dropped.
    void record(const StatementUse& use) noexcept;
    // Adds to the entries of the same pair, or appends.
    void add_to(std::vector<StatementTotals>& totals) const;

private:
    struct Entry;
    using Slots = std::vector<std::atomic<Entry*>>;

    Entry* entry_of(LabelIndex statement, LabelIndex activity);
    Entry& add_entry(std::atomic<Entry*>& place, LabelIndex statement, LabelIndex activity);

    const std::size_t entries_max_;
    // Of the thread that records; what readers see is published below.
    std::vector<std::unique_ptr<Entry>> entries_;
    std::unique_ptr<Slots> own_slots_;
    std::atomic<const Slots*> slots_{nullptr};  // a power of two, at least twice entries_max
    std::atomic<Entry*> other_{nullptr};
};

}  // namespace loadstone::telemetry
