#include "campus/audit/audit.h"
#include "campus/audit/sql.h"

namespace campus::audit {

using namespace loadstone;

Task<void> append(Tx& tx, Event event) {
    const Timestamp now = Timestamp::now();
    co_await sql::insert_event(tx, event.user, event.action, event.detail, event.address, now);
}

}  // namespace campus::audit
