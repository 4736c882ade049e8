#include "campus/discussions/discussions.h"
#include "campus/discussions/jobs.h"
#include "campus/discussions/routes.h"
#include "campus/discussions/sql.h"

namespace campus::discussions {

loadstone::Module module() {
    return {
        .name = "discussions",
        .depends_on = {"accounts", "audit", "courses", "learning", "notifications",
                       "organisations"},
        .migrations = sql::migrations,
        .routes = routes,
        .jobs = jobs,
        .budget = {.requests_max = 128, .request_queue_max = 512, .jobs_max = 8},
    };
}

}  // namespace campus::discussions
