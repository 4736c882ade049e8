#pragma once

#include "loadstone/module/module.h"

namespace campus::learning {

void routes(loadstone::Routes& routes);
// Of it: the list of popular courses; grades and grading runs.
void popular_routes(loadstone::Routes& routes);
void grade_routes(loadstone::Routes& routes);

}  // namespace campus::learning
