#pragma once

#include <string>
#include <vector>

#include "loadstone/module/module.h"

namespace campus::notifications {

// `campus deliveries [STATE]`: the last mails and what became of them.
loadstone::Task<std::string> list_deliveries(loadstone::Context& context,
                                             std::vector<std::string> arguments);

}  // namespace campus::notifications
