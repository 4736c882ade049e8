#pragma once

#include <string>
#include <vector>

#include "loadstone/module/module.h"

namespace campus::integrations {

// `campus roster [list] | add NAME URL | sync NAME | remove NAME`.
loadstone::Task<std::string> roster_command(loadstone::Context& context,
                                            std::vector<std::string> arguments);

}  // namespace campus::integrations
