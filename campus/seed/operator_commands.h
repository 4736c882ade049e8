#pragma once

#include <string>
#include <vector>

#include "loadstone/module/module.h"

namespace campus::seed {

// `campus seed [--users N] [--courses N] [--progress N] [--seed N] [--until DAY] [--add]`.
loadstone::Task<std::string> seed_command(loadstone::Context& context,
                                          std::vector<std::string> arguments);

}  // namespace campus::seed
