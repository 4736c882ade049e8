#pragma once

#include "loadstone/module/module.h"

namespace campus::audit {

void routes(loadstone::Routes& routes);

}  // namespace campus::audit
