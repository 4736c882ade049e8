#pragma once
// The job kinds of the simulated application.

#include <string>

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
struct Tick {
    std::string lane;
    int behaviour = 0;
};
BOOST_DESCRIBE_STRUCT(Tick, (), (lane, behaviour))

inline constexpr int limited_at_once = 2;
inline constexpr double throttled_per_second = 5;
inline constexpr int throttled_burst = 3;

void declare(loadstone::Handlers& handlers);

}  // namespace sim
