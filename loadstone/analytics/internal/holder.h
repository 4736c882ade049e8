#pragma once

#include <string>

#include "loadstone/analytics/options.h"

namespace loadstone::analytics::internal {

// How the database names the server that has the store in its folder: "host:folder". Of one that
// all servers reach: empty.
std::string holder_of(const Options& options);

}  // namespace loadstone::analytics::internal
