#include "campus/dashboards/dashboards.h"
#include "campus/dashboards/routes.h"

namespace campus::dashboards {

loadstone::Module module() {
    return {
        .name = "dashboards",
        .depends_on = {"accounts", "courses", "learning", "organisations"},
        .routes = routes,
        // Nobody waits for a dashboard as for a page: half of the reads is for all others.
        .budget = {.requests_max = 16,
                   .request_queue_max = 64,
                   .statements = {{.bytes_max = 8U << 20U, .time_max = std::chrono::seconds(10)}},
                   .connections = {{.writes_percent = 25, .reads_percent = 50}}},
    };
}

}  // namespace campus::dashboards
