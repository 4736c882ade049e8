#pragma once
// As of when everything that was committed is behind the oldest running transaction. Pure. Each
// look gives the clock before it, the oldest running transaction and the next to be given out; when
// those that ran at an earlier look have all ended, all that was committed by then can be read.

#include <cstdint>

namespace loadstone::analytics::internal {

class Horizon {
public:
    std::int64_t look(std::int64_t clock, std::int64_t oldest, std::int64_t next) noexcept {
        if (oldest >= next) {  // nothing runs; SQLite, always
            is_pending_ = false;
            return as_of_ = clock;
        }
        if (is_pending_ && oldest < pending_next_) return as_of_;
        if (is_pending_) as_of_ = pending_clock_;
        is_pending_ = true;
        pending_clock_ = clock;
        pending_next_ = next;
        return as_of_;
    }

private:
    std::int64_t as_of_ = 0;
    bool is_pending_ = false;
    std::int64_t pending_clock_ = 0, pending_next_ = 0;
};

}  // namespace loadstone::analytics::internal
