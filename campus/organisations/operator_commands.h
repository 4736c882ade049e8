#pragma once

#include <string>
#include <vector>

#include "loadstone/module/module.h"

namespace campus::organisations {

// `campus organisations [list] | add NAME ADMIN | join NAME ADDRESS ROLE`.
loadstone::Task<std::string> organisations_command(loadstone::Context& context,
                                                   std::vector<std::string> arguments);

}  // namespace campus::organisations
