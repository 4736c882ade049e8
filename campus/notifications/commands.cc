#include "campus/notifications/commands.h"

#include "campus/notifications/sql.h"

namespace campus::notifications {

using namespace loadstone;

Task<void> record_delivery(Tx& tx, jobs::Lease lease, Delivery delivery) {
    co_await jobs::complete(tx, lease);
    const Timestamp now = Timestamp::now();
    co_await sql::insert_delivery(tx, delivery.idempotency_key, delivery.recipient,
                                  delivery.subject, delivery.state, delivery.code, delivery.detail,
                                  now);
}

}  // namespace campus::notifications
