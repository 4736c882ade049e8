#include "campus/dashboards/dashboards.h"
#include "campus/dashboards/routes.h"

namespace campus::dashboards {

loadstone::Module module() {
    return {
        .name = "dashboards",
        .depends_on = {"accounts", "courses", "learning", "organisations"},
        .routes = routes,
        .budget = {.requests_max = 16, .request_queue_max = 64},
    };
}

}  // namespace campus::dashboards
