#include "loadstone/jobs/internal/limits.h"

#include <algorithm>
#include <set>

#include "loadstone/base/json.h"
#include "loadstone/jobs/keys.h"
#include "loadstone/jobs/sql.h"

namespace loadstone::jobs::internal {

namespace {

constexpr int lock_attempts = 20;

struct ReleasedPlaces {
    std::string name;
    std::int64_t places = 0;
};
BOOST_DESCRIBE_STRUCT(ReleasedPlaces, (), (name, places))

struct ReleasedRow {
    std::string name;
    std::int64_t running = 0;
};
BOOST_DESCRIBE_STRUCT(ReleasedRow, (), (name, running))

// In the order of their names, so that no two transactions wait for each other. What is added or
// pruned beside this makes it begin anew.
Task<std::vector<LockedRow>> lock_rows(Tx& tx, const std::set<std::string>& names) {
    const std::vector<std::string> ordered(names.begin(), names.end());
    const std::string json = to_json(ordered);
    for (int attempt = 0; attempt < lock_attempts; ++attempt) {
        if (attempt > 0) co_await tx.defer(sql::add_limits, json);
        // One round trip; what the second reads was committed before it held the locks.
        std::uint64_t locked = 0;
        co_await tx.defer_counted(locked, sql::lock_limits, json);
        auto rows = co_await tx.many<LockedRow>(sql::limit_states, json);
        if (locked == names.size()) co_return rows;
    }
    throw Error(Errc::unavailable, "limits of jobs are removed as fast as they are added");
}

LimitState state_of(const LimitRow& row) { return {row.arrival_at, row.running}; }

}  // namespace

LimitBook with_settings(LimitBook declared, const std::vector<LimitSetting>& settings) {
    for (const LimitSetting& setting : settings) {
        const auto limit = declared.find(setting.name);
        if (limit == declared.end()) continue;
        if (setting.running_max >= 0 && !limit->second.is_in_order)
            limit->second.running_max = setting.running_max;
        if (setting.per_second >= 0) limit->second.per_second = setting.per_second;
        if (setting.burst >= 1) limit->second.burst = setting.burst;
    }
    return declared;
}

Task<LockedLimits> LockedLimits::lock(Tx& tx, const LimitBook& book,
                                      std::vector<std::string> partitions) {
    LockedLimits locked;
    std::set<std::string> names;
    for (const std::string& partition : partitions) {
        for (std::string& name : parse_partition(partition).limits) {
            if (book.contains(limit_name(name))) names.insert(std::move(name));
        }
    }
    if (names.empty()) co_return locked;
    auto rows = co_await lock_rows(tx, names);
    for (LockedRow& row : rows) {
        Entry entry;
        entry.limit = &book.find(limit_name(row.name))->second;
        std::string name = row.name;
        entry.row = std::move(row);
        locked.entries_.emplace(std::move(name), std::move(entry));
    }
    co_return locked;
}

std::vector<const LockedLimits::Entry*> LockedLimits::of(const std::string& partition) const {
    std::vector<const Entry*> found;
    if (entries_.empty()) return found;
    for (const std::string& name : parse_partition(partition).limits) {
        if (const auto at = entries_.find(name); at != entries_.end()) found.push_back(&at->second);
    }
    return found;
}

Allowance LockedLimits::allowance(const std::string& partition, std::int64_t wanted) const {
    Allowance all{wanted, 0};
    for (const Entry* each : of(partition)) {
        const LimitState now_taken =
            started(*each->limit, state_of(each->row), each->row.now, each->taken);
        const Allowance one = jobs::allowance(
            *each->limit, each->taken > 0 ? now_taken : state_of(each->row), each->row.now, wanted);
        all.count = std::min(all.count, one.count);
        // Until the last of them allows it; a full one has no time.
        if (one.count == 0) all.retry_in_us = std::max(all.retry_in_us, one.retry_in_us);
    }
    return all;
}

void LockedLimits::take(const std::string& partition, std::int64_t count) {
    for (const Entry* each : of(partition)) entries_.at(each->row.name).taken += count;
}

void LockedLimits::untake(const std::string& partition, std::int64_t count) {
    take(partition, -count);
}

void LockedLimits::hold(const std::string& partition, Extra& extra) const {
    for (const Entry* each : of(partition)) {
        if (each->limit->running_max == 0) continue;
        (each->limit->is_in_order ? extra.keeps : extra.holds).push_back(each->row.name);
    }
}

Task<void> LockedLimits::store(Tx& tx) const {
    std::vector<LockedRow> changed;
    for (const auto& [name, entry] : entries_) {
        if (entry.taken == 0 && entry.row.is_changed == 0) continue;
        LockedRow row = entry.row;
        LimitState next = state_of(row);
        if (entry.taken > 0) next = started(*entry.limit, next, row.now, entry.taken);
        row.arrival_at = next.arrival_at;
        // Only what will be given back counts as running.
        if (entry.limit->running_max > 0) row.running = next.running;
        changed.push_back(std::move(row));
    }
    if (changed.empty()) co_return;
    const std::string json = to_json(changed);
    co_await tx.defer(sql::change_limits, json);
}

Task<std::vector<std::string>> release_limits(Tx& tx, const LimitBook& book, const Places& places) {
    std::vector<std::string> freed;
    if (places.empty()) co_return freed;
    std::vector<ReleasedPlaces> released;
    for (const auto& [name, count] : places) released.push_back({name, count});
    const std::string json = to_json(released);
    const auto rows = co_await tx.many<ReleasedRow>(sql::release_limits, json);
    for (const ReleasedRow& row : rows) {
        const auto limit = book.find(limit_name(row.name));
        const std::int64_t before = row.running + places.at(row.name);
        if (limit == book.end() || before >= limit->second.running_max) freed.push_back(row.name);
    }
    co_return freed;
}

}  // namespace loadstone::jobs::internal
