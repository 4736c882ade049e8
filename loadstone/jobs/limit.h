#pragma once
// Limits: how many jobs of a key may run at once, and how often. One limit holds for all processes
// of a database. Pure; the state is a row (sql/limits.sql), times are the database's microseconds.

#include <cstdint>
#include <string>

namespace loadstone::jobs {

struct Limit {
    std::string name;       // "mail": of each key "mail:gmail.com" there is a state
    int running_max = 0;    // of one key at once; 0: any number
    double per_second = 0;  // starts of one key; 0: any number
    int burst = 1;          // starts of one key at once after a pause, where per_second is set
    bool is_in_order =
        false;  // a job that failed keeps its place until it has ended: none overtakes it
};

struct LimitState {
    std::int64_t arrival_at = 0;  // the generic cell rate algorithm's theoretical arrival time
    std::int64_t running = 0;
};

// Of `wanted` starts so many may be made now; if none, when it is worth asking again (0: when one
// that runs has ended).
struct Allowance {
    std::int64_t count = 0;
    std::int64_t retry_in_us = 0;
};

Allowance allowance(const Limit& limit, const LimitState& state, std::int64_t now_us,
                    std::int64_t wanted);
// The state after `count` starts.
LimitState started(const Limit& limit, const LimitState& state, std::int64_t now_us,
                   std::int64_t count);

}  // namespace loadstone::jobs
