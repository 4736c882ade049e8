#pragma once

#include "loadstone/module/module.h"

namespace campus::accounts {

void routes(loadstone::Routes& routes);

}  // namespace campus::accounts
