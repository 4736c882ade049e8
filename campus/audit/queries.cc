#include "campus/audit/audit.h"
#include "campus/audit/sql.h"

namespace campus::audit {

using namespace loadstone;

Task<std::uint64_t> each_entry(Reader reader, Period period, Place after, int limit,
                               FunctionRef<void(const Entry&)> sink) {
    return sql::events_in_period(reader, sink, period.user, after.happened_at, after.id, period.to,
                                 limit);
}

Task<std::int64_t> count_entries(Reader reader, Period period) {
    return sql::count_in_period(reader, period.user, period.from, period.to);
}

}  // namespace campus::audit
