#include <utility>

#include "campus/audit/audit.h"
#include "campus/audit/sql.h"

namespace campus::audit {

using namespace loadstone;

Task<void> append(Tx& tx, Event event) {
    const Timestamp now = Timestamp::now();
    co_await sql::insert_event(tx, event.user, event.action, event.detail, event.address, now);
}

Task<void> append(Tx& tx, std::int64_t user, const char* action, std::string detail,
                  std::string address) {
    Event event{user, action, std::move(detail), std::move(address)};
    co_await append(tx, std::move(event));
}

}  // namespace campus::audit
