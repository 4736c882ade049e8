#include "campus/audit/queries.h"

#include "campus/audit/sql.h"

namespace campus::audit {

using namespace loadstone;

Task<std::vector<Entry>> entries_of_user(Reader reader, std::int64_t user, std::int64_t before,
                                         int limit) {
    co_return co_await reader.many<Entry>(sql::events_of_user, user, before, limit);
}

}  // namespace campus::audit
