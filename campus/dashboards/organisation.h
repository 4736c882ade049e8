#pragma once
// dashboards' own: what the admins of an organisation see of its courses.
//
// Each request reads the ids of its newest 1,000 courses, drafts too (`is_partial` says that there
// are more), and then of these
//   organisation           what was done in the last 30 days, a row each; their completions, an
//                          entry each; a counter for each course; the lines of the 10 with most
//                          learners
//   organisation/courses   the lines of one page, as an instructor's (no list of ids)
//   organisation/at-risk   enrolments from the cursor on, with each one's progress and attempts in
//                          its course, until the page is full: all of them where few are at risk
// so the first grows with a month's activity and with all completions, the last with enrolments.

#include "loadstone/module/module.h"

namespace campus::dashboards {

void organisation_routes(loadstone::Routes& routes);

}  // namespace campus::dashboards
