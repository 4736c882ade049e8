#include "campus/reports/queries.h"

#include "campus/reports/sql.h"

namespace campus::reports {

using namespace loadstone;

Task<std::optional<ReportRow>> report_by_id(Reader reader, ReportId id) {
    co_return co_await reader.maybe<ReportRow>(sql::report_by_id, id);
}

Task<std::vector<ReportRow>> reports_of_owner(Reader reader, accounts::UserId owner,
                                              std::int64_t before, int limit) {
    co_return co_await reader.many<ReportRow>(sql::reports_of_owner, owner, before, limit);
}

Task<std::vector<OldReport>> old_reports(Reader reader, Timestamp before, int limit) {
    co_return co_await reader.many<OldReport>(sql::old_reports, before, limit);
}

Task<std::vector<Unfinished>> long_unfinished(Reader reader, Timestamp before, Unfinished after,
                                              int limit) {
    co_return co_await reader.many<Unfinished>(sql::long_unfinished, before, after.requested_at,
                                               after.id, limit);
}

}  // namespace campus::reports
