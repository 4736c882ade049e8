#pragma once
// What the column store shows, as a number that it never has again once that has changed.

#include <sys/types.h>

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "loadstone/analytics/internal/store_state.h"

namespace loadstone::analytics::internal {

struct StoreVersion {
    std::int64_t epoch = 0, number = 0;
    std::int64_t as_of = 0;  // by now: later without another number if nothing has come

    bool is_same(const StoreVersion& other) const noexcept {
        return epoch == other.epoch && number == other.number;
    }
};

// Of a store that this process alone changes, by what it has asked of it. A change whose end was
// not heard may come at any time: nothing is known until the store is at another position, or is
// another process. There a batch or a range is refused; a declaration, which carries no position,
// changes nothing: this process has only one, and has heard the end of it before anything is
// carried. From any thread.
class KnownVersion {
public:
    // Nothing: not heard of yet, a change is under way, or in doubt.
    std::optional<StoreVersion> now() const;

    // Before the store is told to change.
    void begin_change();
    // What process `pid` has said of itself; `has_changed`: as told, and that was the end of it.
    void saw(pid_t pid, const StoreState& state, bool has_changed);
    void forget();  // the process ends

private:
    mutable std::mutex mutex_;
    StoreVersion version_;
    int open_changes_ = 0;  // under way or in doubt
    pid_t pid_ = -1;        // -1: nothing has been heard
    std::string store_;
    Position position_;
};

}  // namespace loadstone::analytics::internal
