#pragma once
// Warm file: the answers of a process that stopped, for the one that starts in its place. One line
//
//     loadstone cache 1 SHA256-OF-THE-REST
//
// and behind it WarmAnswers as JSON. It is written beside its place and renamed, so that there is
// all of it or none; mode 0600. What may be done with it the database decides (Cache::load).

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "loadstone/base/describe.h"

namespace loadstone::cache::internal {

struct WarmAnswer {
    std::string view, key, json;
    std::string tags, position;  // as in the database (fills.sql)
    std::int64_t age_us = 0;
};
BOOST_DESCRIBE_STRUCT(WarmAnswer, (), (view, key, json, tags, position, age_us))

struct WarmAnswers {
    std::string program;  // which computed them
    std::string boot;     // of the machine, that `at_us` counts from
    std::int64_t at_us = 0;
    std::string history, state;  // the snapshot that all of them show at least
    std::string token;           // committed before it
    std::vector<WarmAnswer> answers;
};
BOOST_DESCRIBE_STRUCT(WarmAnswers, (), (program, boot, at_us, history, state, token, answers))

// Another one after each build: device, file, size and time of what runs.
std::string this_program();
// Another one after each start of the machine.
std::string this_boot();
// Since then, microseconds, also while it slept.
std::int64_t since_boot_us();

// Errors: unavailable.
void write_warm_file(const std::string& path, const WarmAnswers& answers);
// Nothing if there is none. It is removed: what it says is used once. Errors: data_loss for one
// that is not whole, of another version, or longer than `bytes_max`.
std::optional<WarmAnswers> take_warm_file(const std::string& path, std::uint64_t bytes_max);

}  // namespace loadstone::cache::internal
