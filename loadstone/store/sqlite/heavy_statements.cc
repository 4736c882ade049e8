#include "loadstone/store/sqlite/heavy_statements.h"

#include <algorithm>

namespace loadstone::store::sqlite {

bool HeavyStatements::goes_to_lane(const void* identity) {
    if (entries_.empty()) return false;
    const auto found = entries_.find(identity);
    if (found == entries_.end() || found->second.left == 0) return false;
    --found->second.left;
    return true;
}

void HeavyStatements::exceeded(const void* identity) {
    if (entries_.size() >= statements_max && !entries_.contains(identity)) entries_.clear();
    Entry& entry = entries_[identity];
    entry.lane_runs =
        entry.lane_runs == 0 ? lane_runs_min : std::min(entry.lane_runs * 2, lane_runs_max);
    entry.left = entry.lane_runs;
}

void HeavyStatements::fitted(const void* identity) {
    if (!entries_.empty()) entries_.erase(identity);
}

}  // namespace loadstone::store::sqlite
