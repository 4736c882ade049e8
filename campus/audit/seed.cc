#include "campus/audit/audit.h"
#include "campus/audit/sql.h"

namespace campus::audit {

using namespace loadstone;

Task<void> seed_events(Tx& tx, std::vector<PastEvent> events) {
    co_await sql::seed_events(tx, events);
}

}  // namespace campus::audit
