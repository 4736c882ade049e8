#pragma once
// dashboards: what instructors see of their courses, and admins of their organisation. It reads
// much and writes nothing, and has no tables: courses and learning count what is theirs.

#include "loadstone/module/module.h"

namespace campus::dashboards {

loadstone::Module module();

}  // namespace campus::dashboards
