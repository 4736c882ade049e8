#pragma once

#include "loadstone/module/module.h"

namespace campus::courses {

void routes(loadstone::Routes& routes);

}  // namespace campus::courses
