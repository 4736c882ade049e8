#pragma once
// The program loadstone-duckdb as a child of this process.

#include <sys/types.h>

#include <string>
#include <vector>

#include "loadstone/analytics/options.h"

namespace loadstone::analytics::internal {

// A socket, of which the child has the other end as its standard input: when this process ends, by
// whatever way, the child learns it.
struct Child {
    pid_t pid = -1;
    int socket = -1;
};

// The child where `file` is given to it.
inline constexpr int file_of_child = 3;

// Starts the program of the options with these arguments. Nothing else of this process is open in
// it but `file`, unless that is -1. Errors: unavailable.
Child spawn_duckdb(const Options& options, std::vector<std::string> arguments, int file = -1);

}  // namespace loadstone::analytics::internal
