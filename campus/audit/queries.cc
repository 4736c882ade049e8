#include "campus/audit/queries.h"

#include "campus/audit/sql.h"

namespace campus::audit {

using namespace loadstone;

Task<std::vector<Entry>> entries_of_user(Reader reader, std::int64_t user, std::int64_t before,
                                         int limit) {
    co_return co_await reader.many<Entry>(sql::events_of_user, user, before, limit);
}

Task<std::uint64_t> each_entry(Reader reader, Period period, Place after, int limit,
                               FunctionRef<void(const Entry&)> sink) {
    co_return co_await reader.each<Entry>(sql::events_in_period, sink, period.user,
                                          after.happened_at, after.id, period.to, limit);
}

Task<std::int64_t> count_entries(Reader reader, Period period) {
    co_return co_await reader.one<std::int64_t>(sql::count_in_period, period.user, period.from,
                                                period.to);
}

}  // namespace campus::audit
