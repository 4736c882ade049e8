#pragma once
// QueueBound: how many ready jobs a queue may hold before its kinds that have a bound are answered
// by it (Declared::bound), whatever they declare.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "loadstone/jobs/handlers.h"

namespace loadstone::jobs {

struct QueueBound {
    std::string queue;
    std::int64_t ready_max = 1;
};

// "reports=200,images=50"; empty: none. Errors: invalid_argument.
std::vector<QueueBound> queue_bounds(std::string_view text);
std::string text_of(const std::vector<QueueBound>& bounds);

// Errc::invalid_argument: no kind of such a queue declares a bound.
void set_bounds(Declarations& declared, const std::vector<QueueBound>& bounds);

}  // namespace loadstone::jobs
