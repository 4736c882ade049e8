#pragma once
// dashboards: what instructors see of their courses. It reads much and writes nothing, and has no
// tables: courses and learning count what is theirs. There are no roles yet, so instructors see
// their own courses and nobody sees all of them.

#include "loadstone/module/module.h"

namespace campus::dashboards {

loadstone::Module module();

}  // namespace campus::dashboards
