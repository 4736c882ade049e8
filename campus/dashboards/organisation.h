#pragma once
// dashboards' own: what the admins of an organisation see of its courses.
//
// Each request looks up views and aggregates. What computing those reads, of the newest 1,000
// courses (drafts too; `is_partial` says that there are more):
//   organisation           who was active on which of the last 30 days, a row each; a counter for
//                          each course; the lines of the 10 with most learners
//   organisation/courses   the lines of one page, as an instructor's
//   organisation/at-risk   enrolments from the cursor on until the page is full: all of them where
//                          few are at risk
// so the first grows with a month's activity, the last with enrolments.

#include "loadstone/module/module.h"

namespace campus::dashboards {

void organisation_routes(loadstone::Routes& routes);

}  // namespace campus::dashboards
