#include "campus/courses/courses.h"
#include "campus/courses/routes.h"
#include "campus/courses/sql.h"
#include "campus/courses/views.h"

namespace campus::courses {

loadstone::Module module() {
    return {
        .name = "courses",
        .depends_on = {"accounts", "audit", "organisations"},
        .migrations = sql::migrations,
        .routes = routes,
        .views = views,
        .budget = {.requests_max = 128, .request_queue_max = 256},
    };
}

}  // namespace campus::courses
