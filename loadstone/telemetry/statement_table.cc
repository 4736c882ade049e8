#include <algorithm>
#include <bit>
#include <new>

#include "loadstone/telemetry/internal/single_writer.h"
#include "loadstone/telemetry/statements.h"

namespace loadstone::telemetry {

namespace {

using Cell = std::atomic<std::uint64_t>;

std::uint64_t value_of(const Cell& cell) noexcept { return cell.load(std::memory_order_relaxed); }

// Most are 0 most of the time.
void add(Cell& cell, std::uint64_t by) noexcept {
    if (by != 0) bump(cell, by);
}

std::size_t hash_of(LabelIndex statement, LabelIndex activity) noexcept {
    const std::uint32_t key = (std::uint32_t{statement} << 16U) | activity;
    return (key * 0x9E37'79B9U) >> 8U;  // Fibonacci hashing
}

}  // namespace

struct alignas(64) StatementTable::Entry {
    Entry(LabelIndex of_statement, LabelIndex of_activity)
        : statement(of_statement), activity(of_activity) {}

    const LabelIndex statement;
    const LabelIndex activity;
    Cell failures{0}, rows{0}, pool_ns{0}, lock_ns{0}, scanned{0}, steps{0}, sorts{0},
        auto_indexes{0};
    Histogram latency;

    void record(const StatementUse& use) noexcept {
        add(failures, use.failed ? 1 : 0);
        add(rows, use.rows);
        add(pool_ns, use.pool_ns);
        add(lock_ns, use.lock_ns);
        add(scanned, use.scanned);
        add(steps, use.steps);
        add(sorts, use.sorts);
        add(auto_indexes, use.auto_indexes);
        latency.record(use.ns);
    }

    void add_to(StatementTotals& totals) const {
        totals.failures += value_of(failures);
        totals.rows += value_of(rows);
        totals.pool_ns += value_of(pool_ns);
        totals.lock_ns += value_of(lock_ns);
        totals.scanned += value_of(scanned);
        totals.steps += value_of(steps);
        totals.sorts += value_of(sorts);
        totals.auto_indexes += value_of(auto_indexes);
        HistogramCounts counts;
        latency.read_into(counts);
        totals.latency.add(counts);
    }
};

StatementTable::StatementTable(std::size_t entries_max) : entries_max_(entries_max) {}
StatementTable::~StatementTable() = default;

StatementTable::Entry& StatementTable::add_entry(std::atomic<Entry*>& place, LabelIndex statement,
                                                 LabelIndex activity) {
    Entry& entry = *entries_.emplace_back(std::make_unique<Entry>(statement, activity));
    place.store(&entry, std::memory_order_release);
    return entry;
}

// Null when there is no place for it.
StatementTable::Entry* StatementTable::entry_of(LabelIndex statement, LabelIndex activity) {
    if (own_slots_ == nullptr) {
        own_slots_ =
            std::make_unique<Slots>(std::bit_ceil(std::max<std::size_t>(entries_max_, 1) * 2));
        slots_.store(own_slots_.get(), std::memory_order_release);
    }
    Slots& slots = *own_slots_;
    const std::size_t mask = slots.size() - 1;
    for (std::size_t at = hash_of(statement, activity) & mask;; at = (at + 1) & mask) {
        Entry* const entry = slots[at].load(std::memory_order_relaxed);
        if (entry == nullptr) {
            const bool has_other = other_.load(std::memory_order_relaxed) != nullptr;
            if (entries_.size() - (has_other ? 1 : 0) == entries_max_) return nullptr;
            return &add_entry(slots[at], statement, activity);
        }
        if (entry->statement == statement && entry->activity == activity) return entry;
    }
}

void StatementTable::record(const StatementUse& use) noexcept {
    try {
        Entry* entry = entry_of(use.statement, use.activity);
        if (entry == nullptr) entry = other_.load(std::memory_order_relaxed);
        if (entry == nullptr) entry = &add_entry(other_, 0, 0);
        entry->record(use);
    } catch (const std::bad_alloc&) {
        // Without memory it is dropped.
    }
}

void StatementTable::add_to(std::vector<StatementTotals>& totals) const {
    const auto add_totals = [&totals](const Entry& entry, bool is_other) {
        const auto is_same = [&](const StatementTotals& known) {
            return known.is_other == is_other && known.statement == entry.statement &&
                   known.activity == entry.activity;
        };
        auto sum = std::find_if(totals.begin(), totals.end(), is_same);
        if (sum == totals.end()) {
            sum = totals.emplace(totals.end());
            sum->statement = entry.statement;
            sum->activity = entry.activity;
            sum->is_other = is_other;
        }
        entry.add_to(*sum);
    };
    if (const Slots* const slots = slots_.load(std::memory_order_acquire)) {
        for (const auto& slot : *slots) {
            const Entry* const entry = slot.load(std::memory_order_acquire);
            if (entry != nullptr) add_totals(*entry, false);
        }
    }
    if (const Entry* const other = other_.load(std::memory_order_acquire)) add_totals(*other, true);
}

}  // namespace loadstone::telemetry
