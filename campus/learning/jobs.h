#pragma once

#include "loadstone/module/module.h"

namespace campus::learning {

void jobs(loadstone::Handlers& handlers);

}  // namespace campus::learning
