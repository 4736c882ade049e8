#include "loadstone/analytics/internal/store_version.h"

#include <algorithm>

namespace loadstone::analytics::internal {

std::optional<StoreVersion> KnownVersion::now() const {
    const std::lock_guard lock(mutex_);
    if (pid_ < 0 || open_changes_ > 0) return std::nullopt;
    return version_;
}

void KnownVersion::begin_change() {
    const std::lock_guard lock(mutex_);
    ++version_.number;
    ++open_changes_;
}

void KnownVersion::saw(pid_t pid, const StoreState& state, bool has_changed) {
    const std::lock_guard lock(mutex_);
    if (has_changed) open_changes_ = std::max(0, open_changes_ - 1);
    const bool is_other = pid != pid_ || state.store != store_ || state.position != position_;
    if (is_other) {
        ++version_.number;
        version_.as_of = 0;
        open_changes_ = 0;
        pid_ = pid;
        store_ = state.store;
        position_ = state.position;
    }
    version_.as_of = std::max(version_.as_of, state.as_of);
}

void KnownVersion::forget() {
    const std::lock_guard lock(mutex_);
    ++version_.number;
    pid_ = -1;
}

}  // namespace loadstone::analytics::internal
