#include "campus/learning/facts.h"
#include "campus/learning/jobs.h"
#include "campus/learning/learning.h"
#include "campus/learning/routes.h"
#include "campus/learning/sql.h"
#include "campus/learning/views.h"

namespace campus::learning {

loadstone::Module module() {
    return {
        .name = "learning",
        .depends_on = {"accounts", "audit", "courses", "notifications", "organisations"},
        .migrations = sql::migrations,
        .routes = routes,
        .jobs = jobs,
        .views = views,
        .facts = facts,
        // Heavy: progress.csv, which keeps its place for as long as the client takes. Jobs: three
        // that calculate at least, beside the two mails that jobs.cc allows.
        .budget = {.requests_max = 128,
                   .request_queue_max = 512,
                   .jobs_max = 5,
                   .heavy_requests_max = 4,
                   .heavy_request_queue_max = 16},
    };
}

}  // namespace campus::learning
