#pragma once

#include "loadstone/module/module.h"

namespace campus::organisations {

void routes(loadstone::Routes& routes);

}  // namespace campus::organisations
