#pragma once
// The states of limits in a transaction, and what is given back to them. What a claim does with
// them: claim_limits.h.

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "loadstone/jobs/internal/extra.h"
#include "loadstone/jobs/limit.h"
#include "loadstone/store/tx.h"

namespace loadstone::jobs::internal {

// What each limit allows, by name ("mail"): as declared, or as operators have set it.
using LimitBook = std::map<std::string, Limit, std::less<>>;

// What an operator has set instead (admin.h); below 0: as declared. Of "tenant:NAME" the weight.
struct LimitSetting {
    std::string name;
    int running_max = -1;
    double per_second = -1;
    int burst = -1;
    double weight = -1;
};
BOOST_DESCRIBE_STRUCT(LimitSetting, (), (name, running_max, per_second, burst, weight))

inline constexpr std::string_view tenant_prefix = "tenant:";

// The book as declared, with what has been set. A limit in order stays one: it is a promise of the
// kind, and more than one at once would break it.
LimitBook with_settings(LimitBook declared, const std::vector<LimitSetting>& settings);

struct LimitRow {
    std::string name;  // "mail:gmail.com"
    std::int64_t version = 0, arrival_at = 0, running = 0, now = 0;
};
BOOST_DESCRIBE_STRUCT(LimitRow, (), (name, version, arrival_at, running, now))

// As operators see it: `lent` of `running` is lent to processes, whether it runs or not.
struct BusyLimitRow : LimitRow {
    std::int64_t lent = 0;
};
BOOST_DESCRIBE_STRUCT(BusyLimitRow, (), (name, version, arrival_at, running, now, lent))

// Of one that is locked; `released`: places given back since it was written, which no longer run.
struct LockedRow : LimitRow {
    std::int64_t released_before = 0, released = 0;
};
BOOST_DESCRIBE_STRUCT(LockedRow, (),
                      (name, version, arrival_at, running, now, released_before, released))

// So many places of a limit.
struct PlacesRow {
    std::string name;
    std::int64_t places = 0;
};
BOOST_DESCRIBE_STRUCT(PlacesRow, (), (name, places))

// Limits that this transaction has locked, and what a process has been lent of some of them.
struct LockedRows {
    std::vector<LockedRow> states;
    std::shared_ptr<const std::vector<PlacesRow>> loans;
};
// Where some statements are in two parts, and none costs a round trip.
bool is_sqlite(const Tx& tx);

// In the order of their names, so that no two transactions wait for each other. `lent`: those of
// which `process` may have been lent something.
Task<LockedRows> lock_limits(Tx& tx, std::vector<std::string> names, std::int64_t process,
                             std::vector<std::string> lent);

// So many places of each limit, by name ("mail:gmail.com").
using Places = std::map<std::string, std::int64_t, std::less<>>;

// What so many jobs hold.
inline void add_places(Places& places, const Extra& extra, std::int64_t jobs = 1) {
    for (const std::string& name : extra.holds) places[name] += jobs;
    for (const std::string& name : extra.keeps) places[name] += jobs;
}

// A limit of which places are given back, and how many ran before.
struct ReleasedRow {
    std::string name;
    std::int64_t running = 0;
};
BOOST_DESCRIBE_STRUCT(ReleasedRow, (), (name, running))

// Known when it is committed.
using Released = std::shared_ptr<const std::vector<ReleasedRow>>;

// Gives back the places; on PostgreSQL without a lock. Null: there are none.
Task<Released> release_limits(Tx& tx, Places places);
// What is held of batches by their ids, of those that `process` still holds.
Task<Released> release_held(Tx& tx, std::int64_t process, std::string batches_json,
                            std::map<std::int64_t, Places> places_of_batches);
// What processes have been lent that are gone. Empty: there was none.
Task<Released> release_lost_loans(Tx& tx);
// The limits of which none was free before, as far as its transaction saw and the book knows.
std::vector<std::string> freed_by(const Released& released, const LimitBook& book);

}  // namespace loadstone::jobs::internal
