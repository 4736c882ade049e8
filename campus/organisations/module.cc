#include "campus/organisations/jobs.h"
#include "campus/organisations/operator_commands.h"
#include "campus/organisations/organisations.h"
#include "campus/organisations/routes.h"
#include "campus/organisations/sql.h"
#include "campus/organisations/views.h"

namespace campus::organisations {

loadstone::Module module() {
    return {
        .name = "organisations",
        .depends_on = {"accounts", "audit", "notifications"},
        .migrations = sql::migrations,
        .routes = routes,
        .jobs = jobs,
        .views = views,
        .commands = {{"organisations",
                      "Schools and companies: organisations [list] | add NAME ADMIN | join NAME "
                      "ADDRESS ROLE",
                      organisations_command}},
        .budget = {.requests_max = 64, .request_queue_max = 256, .jobs_max = 8},
    };
}

}  // namespace campus::organisations
