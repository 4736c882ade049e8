#pragma once

#include "loadstone/module/module.h"

namespace campus::discussions {

void jobs(loadstone::Handlers& handlers);

}  // namespace campus::discussions
