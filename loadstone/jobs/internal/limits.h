#pragma once
// The states of limits in a transaction: locked in the order of their names, changed at its end.

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

// Of one that is locked; `released`: places given back since it was written, which no longer run.
struct LockedRow : LimitRow {
    std::int64_t released_before = 0, released = 0;
};
BOOST_DESCRIBE_STRUCT(LockedRow, (),
                      (name, version, arrival_at, running, now, released_before, released))

// A limit that a claim has locked.
struct LockedLimit {
    const Limit* limit = nullptr;
    LockedRow row;
    std::int64_t taken = 0;
};

// Those under which the jobs of one partition are.
class PartitionLimits {
public:
    // Of `wanted` jobs; as if what was taken before had started.
    Allowance allowance(std::int64_t wanted) const;
    // Below 0: gives back what was taken and then not started.
    void take(std::int64_t count) const;
    // Writes down those of which a job holds a place.
    void hold(Extra& extra) const;

private:
    friend class LockedLimits;
    std::vector<LockedLimit*> all_;
};

class LockedLimits {
public:
    // Those of `partitions` that the book knows.
    static Task<LockedLimits> lock(Tx& tx, const LimitBook& book,
                                   std::vector<std::string_view> partitions);
    // As long as this lives, wherever it is moved to.
    PartitionLimits of(std::string_view partition);
    Task<void> store(Tx& tx) const;

private:
    std::map<std::string, LockedLimit, std::less<>> limits_;
};

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
// The limits of which none was free before, as far as its transaction saw and the book knows.
std::vector<std::string> freed_by(const Released& released, const LimitBook& book);

}  // namespace loadstone::jobs::internal
