#pragma once
// What `jobs watch` shows, as lines of text. Pure.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loadstone/base/describe.h"
#include "loadstone/base/timestamp.h"
#include "loadstone/jobs/overview.h"

namespace loadstone::server::internal {

struct WatchedQueue {
    std::string name;
    std::int64_t ready = 0, oldest_us = 0, running = 0;
    std::optional<double> done_per_second;  // of this machine's processes; none: not known yet
    std::int64_t retrying = 0, dead = 0;
    bool is_paused = false;
};
BOOST_DESCRIBE_STRUCT(WatchedQueue, (),
                      (name, ready, oldest_us, running, done_per_second, retrying, dead, is_paused))

struct WatchLook {
    Timestamp time;
    std::int64_t processes = 0;  // that answered, on this machine
    std::vector<WatchedQueue> queues;
    std::vector<jobs::RunningJob> running;
    std::string trouble;  // why the rest is that of the look before
};
BOOST_DESCRIBE_STRUCT(WatchLook, (), (time, processes, queues, running, trouble))

// Of a terminal: at most `height` lines of `width` columns, without control characters.
std::vector<std::string> screen_of(const WatchLook& look, int width, int height);
// Elsewhere: a line for each queue, one for each of the first running jobs.
std::vector<std::string> lines_of(const WatchLook& look);

// `text` in one line of at most `columns`, with what acts on a terminal as '?' and what is too much
// as an ellipsis.
std::string fitted(std::string_view text, int columns);
int columns_of(std::string_view utf8);

// By kind, how many runs have succeeded, of a server's metrics.
std::map<std::string, double> done_by_kind(std::string_view prometheus);

}  // namespace loadstone::server::internal
