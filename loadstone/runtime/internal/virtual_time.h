#pragma once
// VirtualTime: time that passes only when nothing is left to do, for deterministic simulation. All
// loops of a simulation are polled by one thread (Loops::run_ready); what sleeps there sets an
// alarm, and the first alarm is where time goes next.

#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include "loadstone/runtime/clock.h"

namespace loadstone::runtime::internal {

class VirtualTime {
public:
    // Of the calling thread, until it is destroyed.
    VirtualTime();
    ~VirtualTime();
    VirtualTime(const VirtualTime&) = delete;
    VirtualTime& operator=(const VirtualTime&) = delete;

    // Runs what is ready on all loops; true if there was something. Set by the simulation.
    std::function<bool()> run_ready;
    Clock::time_point now() const noexcept { return now_; }
    // Runs all that is ready, or else goes to the next alarm and rings it. False: there is none.
    bool step();
    // For what blocks a thread where time is real.
    bool run_until(const std::function<bool()>& condition, Clock::time_point deadline);

    class Alarm {
    public:
        // Ends a wait for `timer`, which has no expiry of its own, at `at`.
        Alarm(VirtualTime& time, Clock::time_point at, boost::asio::steady_timer& timer);
        ~Alarm();
        Alarm(const Alarm&) = delete;
        Alarm& operator=(const Alarm&) = delete;
        bool rang() const noexcept { return rang_; }

    private:
        friend class VirtualTime;
        VirtualTime& time_;
        std::pair<Clock::time_point, std::uint64_t> key_;
        boost::asio::steady_timer& timer_;
        bool rang_ = false;
    };

private:
    friend const Clock::time_point* virtual_now() noexcept;
    Clock::time_point now_;
    std::uint64_t alarms_made_ = 0;
    std::map<std::pair<Clock::time_point, std::uint64_t>, Alarm*> alarms_;
};

// Of the calling thread; null where time is real.
VirtualTime* virtual_time() noexcept;

}  // namespace loadstone::runtime::internal
