#pragma once
// The program loadstone-duckdb as a child of this process.

#include <string>
#include <vector>

#include "loadstone/analytics/options.h"
#include "loadstone/base/child_process.h"

namespace loadstone::analytics::internal {

// Starts the program of the options with these arguments, and with `file` (child_process.h).
// Errors: unavailable.
Child spawn_duckdb(const Options& options, std::vector<std::string> arguments, int file = -1);

}  // namespace loadstone::analytics::internal
