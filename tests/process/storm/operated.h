#pragma once
// What an operator has to do with: jobs with tenants, limits, keys, progress and a schedule.

#include "loadstone/module/module.h"

namespace operated {

loadstone::Module module();

}  // namespace operated
