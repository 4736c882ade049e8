#pragma once

#include "loadstone/module/module.h"

namespace campus::integrations {

void routes(loadstone::Routes& routes);

}  // namespace campus::integrations
