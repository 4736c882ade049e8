#include "campus/notifications/queries.h"

#include "campus/notifications/sql.h"

namespace campus::notifications {

using namespace loadstone;

Task<std::vector<DeliveryRow>> deliveries_in_state(Reader reader, std::string state, int limit) {
    co_return co_await reader.many<DeliveryRow>(sql::deliveries_in_state, state, limit);
}

}  // namespace campus::notifications
