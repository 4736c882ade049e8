#pragma once
// reports' own: writes. Each is one transaction.

#include <optional>
#include <string>

#include "campus/reports/reports.h"
#include "loadstone/jobs/job.h"

namespace campus::reports {

inline constexpr int unfinished_max = 20;  // of one owner

struct NewReport {
    accounts::UserId owner;
    std::string kind;
    std::optional<loadstone::Timestamp> from, to;
    std::string address;  // of the client, for the audit log
};

// Report, audit event and job, or nothing; if the same one waits or runs already, that one.
// Errc::resource_exhausted if the owner has unfinished_max of them; unavailable if the queue is
// over its bound, for one that waits already too.
loadstone::Task<ReportId> request_report(loadstone::Tx& tx, NewReport report);

// Its job is dropped or told to end. Gives its file, which is still to be removed. Errc::not_found.
// `job` is the report's, read before: on PostgreSQL jobs::cancel_job begins its transaction.
loadstone::Task<std::string> forget_report(loadstone::Tx& tx, ReportId id, accounts::UserId owner,
                                           std::int64_t job);

// How far the file has come: what the next attempt begins with.
struct Step {
    std::string file;  // of the attempt that wrote it
    std::int64_t bytes = 0, rows = 0, total = 0;
    loadstone::Timestamp happened_at;  // the last entry in it
    std::int64_t id = 0;
    bool is_whole = false;
};
BOOST_DESCRIBE_STRUCT(Step, (), (file, bytes, rows, total, happened_at, id, is_whole))
inline constexpr const char* step_name = "file";

// False: it is wanted no more.
loadstone::Task<bool> begin_report(loadstone::Tx& tx, ReportId id);
loadstone::Task<void> save_progress(loadstone::Tx& tx, loadstone::jobs::Lease lease, Step step);
// The job is complete, the report done and the mail to its owner a job, or nothing. False: only
// the job is, since the report is wanted no more.
loadstone::Task<bool> finish_report(loadstone::Tx& tx, loadstone::jobs::Lease lease, ReportId id,
                                    Step step, SendReportLink mail);
loadstone::Task<void> fail_report(loadstone::Tx& tx, ReportId id, std::string reason);
loadstone::Task<void> remove_report(loadstone::Tx& tx, ReportId id);

}  // namespace campus::reports
