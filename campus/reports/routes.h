#pragma once

#include "loadstone/module/module.h"

namespace campus::reports {

void routes(loadstone::Routes& routes);

}  // namespace campus::reports
