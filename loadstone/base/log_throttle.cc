#include "loadstone/base/log_throttle.h"

#include <utility>

namespace loadstone::log {

std::optional<std::uint64_t> Throttle::take(Clock::time_point now) noexcept {
    const std::lock_guard lock(mutex_);
    if (said_at_ && now - *said_at_ < interval_) {
        ++unsaid_;
        return std::nullopt;
    }
    said_at_ = now;
    return std::exchange(unsaid_, 0);
}

}  // namespace loadstone::log
