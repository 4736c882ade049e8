#pragma once

#include "loadstone/module/module.h"

namespace campus::organisations {

void jobs(loadstone::Handlers& handlers);

}  // namespace campus::organisations
