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

// Of one that is locked; `is_changed`: by what was given back since it was written.
struct LockedRow : LimitRow {
    std::int64_t released_before = 0;
    int is_changed = 0;
};
BOOST_DESCRIBE_STRUCT(LockedRow, (),
                      (name, version, arrival_at, running, now, released_before, is_changed))

class LockedLimits {
public:
    // Those of `partitions` that the book knows.
    static Task<LockedLimits> lock(Tx& tx, const LimitBook& book,
                                   std::vector<std::string> partitions);
    // Of `wanted` jobs of a partition; as if what was taken before had started.
    Allowance allowance(const std::string& partition, std::int64_t wanted) const;
    void take(const std::string& partition, std::int64_t count);
    // Gives back what was taken and then not started.
    void untake(const std::string& partition, std::int64_t count);
    // Writes down the limits of which a job of the partition holds a place.
    void hold(const std::string& partition, Extra& extra) const;
    Task<void> store(Tx& tx) const;

private:
    struct Entry {
        const Limit* limit = nullptr;
        LockedRow row;
        std::int64_t taken = 0;
    };
    std::vector<const Entry*> of(const std::string& partition) const;
    std::map<std::string, Entry> entries_;
};

// So many places of each limit, by name ("mail:gmail.com").
using Places = std::map<std::string, std::int64_t, std::less<>>;

inline void add_places(Places& places, const std::vector<std::string>& names) {
    for (const std::string& name : names) ++places[name];
}

// Gives back the places; on PostgreSQL without a lock. Gives the limits of which none was free
// before, as far as this transaction sees and the book knows.
Task<std::vector<std::string>> release_limits(Tx& tx, const LimitBook& book, const Places& places);

}  // namespace loadstone::jobs::internal
