#include "campus/integrations/integrations.h"
#include "campus/integrations/jobs.h"
#include "campus/integrations/operator_commands.h"
#include "campus/integrations/routes.h"
#include "campus/integrations/sql.h"

namespace campus::integrations {

loadstone::Module module() {
    return {
        .name = "integrations",
        .depends_on = {"accounts", "audit", "organisations"},
        .migrations = sql::migrations,
        .routes = routes,
        .jobs = jobs,
        .commands = {{"roster",
                      "Lists of people that others keep: roster [list] | add NAME URL | sync NAME "
                      "| remove NAME",
                      roster_command}},
        .budget = {.requests_max = 32, .request_queue_max = 64, .jobs_max = 8},
    };
}

}  // namespace campus::integrations
