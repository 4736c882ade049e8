#pragma once
// reports: files that are made of what Campus knows, as jobs. Whoever asked for one is mailed a
// link when it is done; it is kept for seven days.

#include <optional>
#include <string>

#include "campus/accounts/accounts.h"
#include "loadstone/base/describe.h"
#include "loadstone/base/id.h"
#include "loadstone/module/module.h"

namespace campus::reports {

loadstone::Module module();

struct ReportTag {};
using ReportId = loadstone::Id<ReportTag>;

// The job that writes the file. While one waits or runs, the same request is the same report.
struct MakeReport {
    ReportId report;
    accounts::UserId owner;
    std::string kind;
    std::optional<loadstone::Timestamp> from, to;  // as asked for
};
BOOST_DESCRIBE_STRUCT(MakeReport, (), (report, owner, kind, from, to))

// The job that tells its owner.
struct SendReportLink {
    ReportId report;
    accounts::UserId owner;
    std::string provider;
    std::string tenant;  // the owner's organisation, or else the owner
};
BOOST_DESCRIBE_STRUCT(SendReportLink, (), (report, owner, provider, tenant))

// The job that forgets what is old.
struct RemoveOldReports {};
BOOST_DESCRIBE_STRUCT(RemoveOldReports, (), ())

}  // namespace campus::reports
