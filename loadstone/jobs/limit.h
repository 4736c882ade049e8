#pragma once
// Limits: how many jobs of a key may run at once, and how often. One limit holds for all processes
// of a database. Pure; the state is a row (sql/limits.sql), times are the database's microseconds.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace loadstone::jobs {

struct Limit {
    std::string name;       // "mail": of each key "mail:gmail.com" there is a state
    int running_max = 0;    // of one key at once; 0: any number
    double per_second = 0;  // starts of one key; 0: any number
    int burst = 1;          // starts of one key at once after a pause, where per_second is set
    bool is_in_order =
        false;  // a job that failed keeps its place until it has ended: none overtakes it

    friend bool operator==(const Limit&, const Limit&) = default;
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

// Loans. A process can have places and starts in advance, so that its next claims ask nobody
// (internal/loans.h). Never of what is in order.

// Starts are charged when they are lent, may be made for so long after, and are lost then.
inline constexpr std::chrono::milliseconds starts_lent_for{100};
// Those of a limit whose burst is large, and far more than its rate allows in that time. So much is
// kept back of the burst, from everybody: what was lent may begin together with what has become
// allowed since, and yet no window of time sees more than burst + per_second * window.
bool lends_starts(const Limit& limit);
// So many of `wanted` beyond those that `state` counts: half of the burst stays for others, and
// saves up again. Where starts are scarce none is lent, so none is lost.
std::int64_t starts_to_lend(const Limit& limit, const LimitState& state, std::int64_t now_us,
                            std::int64_t wanted);

// `places_min`: the smallest running_max of which places are lent; 0: of none.
bool lends_places(const Limit& limit, int places_min);
// How many a process may have that uses `least` at once, and rather has `wanted`, when `others`
// run or are lent elsewhere: half of all stay free. None: it may not.
std::optional<std::int64_t> places_to_lend(const Limit& limit, std::int64_t others,
                                           std::int64_t least, std::int64_t wanted);

}  // namespace loadstone::jobs
