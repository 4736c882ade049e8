#include "campus/notifications/notifications.h"
#include "campus/notifications/operator_commands.h"
#include "campus/notifications/sql.h"

namespace campus::notifications {

loadstone::Module module() {
    return {
        .name = "notifications",
        .migrations = sql::migrations,
        .commands = {{"deliveries",
                      "The last mails and what became of them: deliveries [sent|bounced|unknown]",
                      list_deliveries}},
    };
}

}  // namespace campus::notifications
