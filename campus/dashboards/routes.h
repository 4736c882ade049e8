#pragma once

#include "loadstone/module/module.h"

namespace campus::dashboards {

void routes(loadstone::Routes& routes);

}  // namespace campus::dashboards
