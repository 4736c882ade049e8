#pragma once

#include "loadstone/module/module.h"

namespace campus::integrations {

void jobs(loadstone::Handlers& handlers);

}  // namespace campus::integrations
