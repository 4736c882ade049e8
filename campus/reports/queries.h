#pragma once
// reports' own: reads.

#include <optional>
#include <string>
#include <vector>

#include "campus/reports/reports.h"

namespace campus::reports {

// As it is stored (sql/reports.sql).
struct ReportRow {
    ReportId id;
    accounts::UserId owner_id;
    std::string kind;
    loadstone::Timestamp period_from, period_to;
    std::string state, reason;
    std::int64_t job = 0;
    std::string file;
    std::int64_t row_count = 0, byte_count = 0;
    loadstone::Timestamp requested_at;
    std::optional<loadstone::Timestamp> ended_at;
};
BOOST_DESCRIBE_STRUCT(ReportRow, (),
                      (id, owner_id, kind, period_from, period_to, state, reason, job, file,
                       row_count, byte_count, requested_at, ended_at))

loadstone::Task<std::optional<ReportRow>> report_by_id(loadstone::Reader reader, ReportId id);
// Newest first, ids below `before`.
loadstone::Task<std::vector<ReportRow>> reports_of_owner(loadstone::Reader reader,
                                                         accounts::UserId owner,
                                                         std::int64_t before, int limit);

struct OldReport {
    ReportId id;
    std::string file;
};
BOOST_DESCRIBE_STRUCT(OldReport, (), (id, file))
loadstone::Task<std::vector<OldReport>> old_reports(loadstone::Reader reader,
                                                    loadstone::Timestamp before, int limit);

struct Unfinished {
    ReportId id;
    std::int64_t job = 0;
    loadstone::Timestamp requested_at;
};
BOOST_DESCRIBE_STRUCT(Unfinished, (), (id, job, requested_at))
// Oldest first, those behind `after`.
loadstone::Task<std::vector<Unfinished>> long_unfinished(loadstone::Reader reader,
                                                         loadstone::Timestamp before,
                                                         Unfinished after, int limit);

}  // namespace campus::reports
