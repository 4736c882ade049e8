#include "loadstone/jobs/internal/limits.h"

#include <algorithm>

#include "loadstone/base/json.h"
#include "loadstone/jobs/keys.h"
#include "loadstone/jobs/sql.h"
#include "loadstone/store/database.h"

namespace loadstone::jobs::internal {

namespace {

constexpr int lock_attempts = 20;

struct HeldPlaces : PlacesRow {
    std::int64_t batch = 0;
};
BOOST_DESCRIBE_STRUCT(HeldPlaces, (), (name, places, batch))

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

bool is_sqlite(const Tx& tx) {
    return tx.context().services().get<store::Database>().dialect() == store::Dialect::sqlite;
}

// What is added or pruned beside this makes it begin anew.
Task<LockedRows> lock_limits(Tx& tx, std::vector<std::string> names, std::int64_t process,
                             std::vector<std::string> lent) {
    const std::string json = to_json(names);
    const std::string lent_json = to_json(lent);
    const auto locked = std::make_shared<std::vector<std::string>>();
    const auto loans = std::make_shared<std::vector<PlacesRow>>();
    LockedRows rows;
    rows.loans = loans;
    Places taken;  // what an attempt has taken of places that were given back is not there again
    for (int attempt = 0; attempt < lock_attempts; ++attempt) {
        if (attempt > 0) co_await tx.defer(sql::add_limits, json);
        // One round trip; what the others read was committed before the first held the locks.
        co_await tx.defer_many(locked, store::at_once(sql::lock_limits), json);
        if (!lent.empty())
            co_await tx.defer_many(loans, store::at_once(sql::loans_of), lent_json, process);
        rows.states = co_await tx.many<LockedRow>(store::at_once(sql::limit_states), json);
        for (LockedRow& row : rows.states) {
            if (row.released == 0 && taken.empty()) continue;
            row.released = taken[row.name] += row.released;
            row.running = std::max<std::int64_t>(0, row.running - row.released);
        }
        if (locked->size() == names.size()) co_return rows;
    }
    throw Error(Errc::unavailable, "limits of jobs are removed as fast as they are added");
}

Task<Released> release_limits(Tx& tx, Places places) {
    if (places.empty()) co_return nullptr;
    std::vector<PlacesRow> asked;
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

Task<Released> release_lost_loans(Tx& tx) {
    const auto released = std::make_shared<std::vector<ReleasedRow>>();
    co_await tx.defer_many(released, sql::release_lost_loans);
    if (is_sqlite(tx)) co_await tx.defer(sql::remove_lost_loans);
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
