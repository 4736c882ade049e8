#pragma once
// What each module may have of the database's connections.

#include <vector>

#include "loadstone/module/module.h"
#include "loadstone/server/config.h"
#include "loadstone/store/module_shares.h"

namespace loadstone::server::internal {

// As its budget, or the settings, say; a module without another beside it has all. Errors:
// invalid_argument for settings of a module that there is not.
std::vector<store::ModuleShare> shares_of(const std::vector<Module>& modules, const Config& config);

}  // namespace loadstone::server::internal
