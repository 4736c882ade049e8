#pragma once

#include "loadstone/module/module.h"

namespace campus::discussions {

void routes(loadstone::Routes& routes);

}  // namespace campus::discussions
