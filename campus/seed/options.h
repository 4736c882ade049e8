#pragma once
// What `campus seed` is told.

#include <cstdint>
#include <span>
#include <string>

#include "loadstone/base/timestamp.h"

namespace campus::seed {

struct Options {
    std::int64_t users = 100'000;  // 10..10,000,000
    std::int64_t courses = 0;      // 1..users
    std::int64_t progress = 0;     // rows; 0..1,000 for each user
    std::uint64_t seed = 1;
    loadstone::Timestamp until;  // the start of a day
    bool is_added = false;       // to users that there are
};

// As an operator command is given them. Errc::invalid_argument names the option and its bounds.
Options options_of(std::span<const std::string> arguments, loadstone::Timestamp now);

}  // namespace campus::seed
