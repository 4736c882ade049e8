#include "campus/audit/audit.h"
#include "campus/audit/routes.h"
#include "campus/audit/sql.h"

namespace campus::audit {

loadstone::Module module() {
    return {
        .name = "audit",
        .migrations = sql::migrations,
        .routes = routes,
    };
}

}  // namespace campus::audit
