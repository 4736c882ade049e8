#pragma once
// dashboards' own: what the column store tells of an instructor's or an organisation's courses.
// Each part says as of when; nothing of it is read from the primary but ids and titles of courses.

#include "loadstone/module/module.h"

namespace campus::dashboards {

void question_routes(loadstone::Routes& routes);

}  // namespace campus::dashboards
