#pragma once

#include "loadstone/module/module.h"

namespace campus::learning {

void routes(loadstone::Routes& routes);

}  // namespace campus::learning
