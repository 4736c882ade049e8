#include "loadstone/runtime/internal/virtual_time.h"

#include <algorithm>

#include "loadstone/base/assert.h"

namespace loadstone::runtime::internal {

namespace {

thread_local VirtualTime* current = nullptr;

}  // namespace

VirtualTime* virtual_time() noexcept { return current; }

const Clock::time_point* virtual_now() noexcept {
    return current == nullptr ? nullptr : &current->now_;
}

VirtualTime::VirtualTime() : now_(std::chrono::hours(1'000)) {
    LOADSTONE_ASSERT(current == nullptr, "a thread simulates one thing at a time");
    current = this;
}

VirtualTime::~VirtualTime() { current = nullptr; }

bool VirtualTime::step() {
    if (run_ready()) return true;
    if (alarms_.empty()) return false;
    const auto first = alarms_.begin();
    Alarm* const alarm = first->second;
    now_ = std::max(now_, first->first.first);
    alarms_.erase(first);
    alarm->rang_ = true;
    alarm->timer_.cancel();
    return true;
}

bool VirtualTime::run_until(const std::function<bool()>& condition, Clock::time_point deadline) {
    while (!condition()) {
        if (now_ >= deadline || !step()) return condition();
    }
    return true;
}

VirtualTime::Alarm::Alarm(VirtualTime& time, Clock::time_point at, boost::asio::steady_timer& timer)
    : time_(time), key_(at, ++time.alarms_made_), timer_(timer) {
    timer_.expires_at(Clock::time_point::max());
    // A wait without an end is none that time could go to.
    if (at != Clock::time_point::max()) time_.alarms_.emplace(key_, this);
}

VirtualTime::Alarm::~Alarm() { time_.alarms_.erase(key_); }

}  // namespace loadstone::runtime::internal
