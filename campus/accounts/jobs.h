#pragma once

#include "loadstone/module/module.h"

namespace campus::accounts {

void jobs(loadstone::Handlers& handlers);

}  // namespace campus::accounts
