#include "loadstone/jobs/internal/limits.h"

#include <algorithm>

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

struct HeldPlaces : ReleasedPlaces {
    std::int64_t batch = 0;
};
BOOST_DESCRIBE_STRUCT(HeldPlaces, (), (name, places, batch))

// In the order of their names, so that no two transactions wait for each other. What is added or
// pruned beside this makes it begin anew.
Task<std::vector<LockedRow>> lock_rows(Tx& tx, std::vector<std::string> names) {
    const std::string json = to_json(names);
    const auto locked = std::make_shared<std::vector<std::string>>();
    Places taken;  // what an attempt has taken of places that were given back is not there again
    for (int attempt = 0; attempt < lock_attempts; ++attempt) {
        if (attempt > 0) co_await tx.defer(sql::add_limits, json);
        // One round trip; what the second reads was committed before it held the locks.
        co_await tx.defer_many(locked, store::at_once(sql::lock_limits), json);
        auto rows = co_await tx.many<LockedRow>(store::at_once(sql::limit_states), json);
        for (LockedRow& row : rows) {
            if (row.released == 0 && taken.empty()) continue;
            row.released = taken[row.name] += row.released;
            row.running = std::max<std::int64_t>(0, row.running - row.released);
        }
        if (locked->size() == names.size()) co_return rows;
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
                                      std::vector<std::string_view> partitions) {
    LockedLimits locked;
    std::vector<std::string_view> all;
    for (const std::string_view partition : partitions) {
        const auto limits = limits_in(partition);
        all.insert(all.end(), limits.begin(), limits.end());
    }
    std::ranges::sort(all);
    const auto [first, last] = std::ranges::unique(all);
    all.erase(first, last);
    std::erase_if(all, [&](std::string_view name) { return !book.contains(limit_name(name)); });
    if (all.empty()) co_return locked;
    std::vector<std::string> names(all.begin(), all.end());
    auto rows = co_await lock_rows(tx, std::move(names));
    for (LockedRow& row : rows) {
        std::string name = row.name;
        const Limit* const limit = &book.find(limit_name(name))->second;
        locked.limits_.emplace(std::move(name), LockedLimit{limit, std::move(row), 0});
    }
    co_return locked;
}

PartitionLimits LockedLimits::of(std::string_view partition) {
    PartitionLimits found;
    if (limits_.empty()) return found;
    for (const std::string_view name : limits_in(partition)) {
        if (const auto at = limits_.find(name); at != limits_.end())
            found.all_.push_back(&at->second);
    }
    return found;
}

Allowance PartitionLimits::allowance(std::int64_t wanted) const {
    Allowance all{wanted, 0};
    for (const LockedLimit* each : all_) {
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

void PartitionLimits::take(std::int64_t count) const {
    for (LockedLimit* each : all_) each->taken += count;
}

void PartitionLimits::hold(Extra& extra) const {
    for (const LockedLimit* each : all_) {
        if (each->limit->running_max == 0) continue;
        (each->limit->is_in_order ? extra.keeps : extra.holds).push_back(each->row.name);
    }
}

Task<void> LockedLimits::store(Tx& tx) const {
    std::vector<LockedRow> changed;
    for (const auto& [name, each] : limits_) {
        if (each.taken == 0 && each.row.released == 0) continue;
        LockedRow row = each.row;
        LimitState next = state_of(row);
        if (each.taken > 0) next = started(*each.limit, next, row.now, each.taken);
        row.arrival_at = next.arrival_at;
        // Only what will be given back counts as running.
        if (each.limit->running_max > 0) row.running = next.running;
        changed.push_back(std::move(row));
    }
    if (changed.empty()) co_return;
    const std::string json = to_json(changed);
    co_await tx.defer(sql::change_limits, json);
}

Task<Released> release_limits(Tx& tx, Places places) {
    if (places.empty()) co_return nullptr;
    std::vector<ReleasedPlaces> asked;
    for (const auto& [name, count] : places) asked.push_back({name, count});
    const std::string json = to_json(asked);
    const auto released = std::make_shared<std::vector<ReleasedRow>>();
    co_await tx.defer_many(released, sql::release_limits, json);
    co_return released;
}

Task<Released> release_held(Tx& tx, std::int64_t process, std::string batches_json,
                            std::map<std::int64_t, Places> places_of_batches) {
    std::vector<HeldPlaces> asked;
    for (const auto& [batch, places] : places_of_batches) {
        for (const auto& [name, count] : places) asked.push_back({{name, count}, batch});
    }
    if (asked.empty()) co_return nullptr;
    const std::string json = to_json(asked);
    const auto released = std::make_shared<std::vector<ReleasedRow>>();
    co_await tx.defer_many(released, store::at_once(sql::release_held), json, process,
                           batches_json);
    co_return released;
}

std::vector<std::string> freed_by(const Released& released, const LimitBook& book) {
    std::vector<std::string> freed;
    if (!released) return freed;
    for (const ReleasedRow& row : *released) {
        const auto limit = book.find(limit_name(row.name));
        if (limit == book.end() || row.running >= limit->second.running_max)
            freed.push_back(row.name);
    }
    return freed;
}

}  // namespace loadstone::jobs::internal
