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
    };
}

}  // namespace campus::accounts
