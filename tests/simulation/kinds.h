#pragma once
// The job kinds of the simulated application.

#include <array>
#include <chrono>
#include <string>
#include <vector>

#include "loadstone/jobs/handlers.h"

namespace sim {

// Its effect is made in the transaction that completes it: exactly once.
struct Plain {
    std::string lane;
    int behaviour = 0;
};
BOOST_DESCRIBE_STRUCT(Plain, (), (lane, behaviour))
struct Urgent {
    std::string lane;
    int behaviour = 0;
};
BOOST_DESCRIBE_STRUCT(Urgent, (), (lane, behaviour))
struct Limited {
    std::string lane;
    int behaviour = 0;
};
BOOST_DESCRIBE_STRUCT(Limited, (), (lane, behaviour))
struct Throttled {
    std::string lane;
    int behaviour = 0;
};
BOOST_DESCRIBE_STRUCT(Throttled, (), (lane, behaviour))
// Under a limit that lends places.
struct Crowded {
    std::string lane;
    int behaviour = 0;
};
BOOST_DESCRIBE_STRUCT(Crowded, (), (lane, behaviour))
// Under a throttle that lends starts.
struct Brisk {
    std::string lane;
    int behaviour = 0;
};
BOOST_DESCRIBE_STRUCT(Brisk, (), (lane, behaviour))
struct Ordered {
    std::string lane;
    int behaviour = 0;
};
BOOST_DESCRIBE_STRUCT(Ordered, (), (lane, behaviour))
struct Unique {
    std::string lane;
    int behaviour = 0;
};
BOOST_DESCRIBE_STRUCT(Unique, (), (lane, behaviour))
struct Fleeting {
    std::string lane;
    int behaviour = 0;
};
BOOST_DESCRIBE_STRUCT(Fleeting, (), (lane, behaviour))
struct Part {
    std::string lane;
    int behaviour = 0;
};
BOOST_DESCRIBE_STRUCT(Part, (), (lane, behaviour))
struct Callback {
    std::string lane;
    int behaviour = 0;
};
BOOST_DESCRIBE_STRUCT(Callback, (), (lane, behaviour))
// Unique for a time.
struct Periodic {
    std::string lane;
    int behaviour = 0;
};
BOOST_DESCRIBE_STRUCT(Periodic, (), (lane, behaviour))
// Unique while it waits.
struct Refresh {
    std::string lane;
    int behaviour = 0;
};
BOOST_DESCRIBE_STRUCT(Refresh, (), (lane, behaviour))
// Saves how far it has come.
struct Stepped {
    std::string lane;
    int behaviour = 0;
};
BOOST_DESCRIBE_STRUCT(Stepped, (), (lane, behaviour))
// Enqueued after a job that was there already.
struct Follower {
    std::string lane;
    int behaviour = 0;
};
BOOST_DESCRIBE_STRUCT(Follower, (), (lane, behaviour))
struct Tick {
    std::string lane;
    int behaviour = 0;
};
BOOST_DESCRIBE_STRUCT(Tick, (), (lane, behaviour))

// Each minute, by what becomes of firings that were missed; the name is the lane of their ticks.
inline constexpr std::array<std::pair<const char*, loadstone::jobs::MissedFire>, 3> schedules{
    {{"skip", loadstone::jobs::MissedFire::skip},
     {"once", loadstone::jobs::MissedFire::once},
     {"all", loadstone::jobs::MissedFire::all}}};

inline constexpr int limited_at_once = 2;
inline constexpr double throttled_per_second = 5;
inline constexpr int throttled_burst = 3;
inline constexpr int crowded_at_once = 12;
inline constexpr int lend_places_min = 4;
inline constexpr std::chrono::milliseconds periodic_every{1'500};
inline constexpr int steps = 3;
inline constexpr int parts_max = 7;  // of a batch
inline constexpr double brisk_per_second = 100;
inline constexpr int brisk_burst = 64;

// Those of all simulated processes that have begun and not ended.
struct Run {
    loadstone::jobs::Lease lease;
    std::string crowd;  // the lane of a crowded job
};
std::vector<Run>& runs_now();

void declare(loadstone::Handlers& handlers);

}  // namespace sim
