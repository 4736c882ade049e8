#include "campus/reports/jobs.h"
#include "campus/reports/reports.h"
#include "campus/reports/routes.h"
#include "campus/reports/sql.h"

namespace campus::reports {

loadstone::Module module() {
    return {
        .name = "reports",
        .depends_on = {"accounts", "audit", "courses", "learning", "notifications",
                       "organisations"},
        .migrations = sql::migrations,
        .routes = routes,
        .jobs = jobs,
        // Its reports go on for minutes, and have the time: four of them, and a mail.
        .budget = {.requests_max = 64,
                   .request_queue_max = 128,
                   .jobs_max = 5,
                   .connections = {{.writes_percent = 25, .reads_percent = 50}}},
    };
}

}  // namespace campus::reports
