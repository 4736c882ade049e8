#include "campus/accounts/accounts.h"
#include "campus/accounts/jobs.h"
#include "campus/accounts/routes.h"
#include "campus/accounts/session.h"
#include "campus/accounts/sql.h"

namespace campus::accounts {

loadstone::Module module() {
    return {
        .name = "accounts",
        .depends_on = {"audit", "notifications"},
        .migrations = sql::migrations,
        .routes = routes,
        .jobs = jobs,
        .sessions = session_of_token,
        // Who cannot sign in can do nothing: it may use nearly all, and each statement is short.
        .budget = {.statements = {{.rows_max = 1'000,
                                   .bytes_max = 4U << 20U,
                                   .time_max = std::chrono::seconds(10)}},
                   .connections = {{.writes_percent = 90, .reads_percent = 90}}},
    };
}

}  // namespace campus::accounts
