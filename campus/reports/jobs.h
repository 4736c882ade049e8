#pragma once

#include "loadstone/module/module.h"

namespace campus::reports {

void jobs(loadstone::Handlers& handlers);

}  // namespace campus::reports
