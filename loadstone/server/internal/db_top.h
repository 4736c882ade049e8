#pragma once
// `db top`: what the servers and the database say of each statement, put together. Pure.

#include <optional>
#include <string>
#include <vector>

#include "loadstone/server/internal/db_analytics.h"
#include "loadstone/server/internal/db_report.h"
#include "loadstone/store/inspection.h"

namespace loadstone::server::internal {

// A statement in one route or job of one process. But for `line` all is of the statement, wherever
// it runs.
struct TopLine {
    StatementLine line;
    // Rows read for each row given back; SQLite: without an index. -1: not known.
    double scanned_per_row = -1;
    std::int64_t temp_bytes = -1;
    // Inside PostgreSQL, by all who use the database. -1: not known.
    double server_cpu_ms = -1;
    std::int64_t server_disk_bytes = -1;
    // Of the process that saw most: each looks at all sessions. No waits: none looks for them.
    std::int64_t plan_changes = 0;
    std::optional<std::int64_t> lock_waits_seen;
};
BOOST_DESCRIBE_STRUCT(TopLine, (),
                      (line, scanned_per_row, temp_bytes, server_cpu_ms, server_disk_bytes,
                       plan_changes, lock_waits_seen))

struct TopReport {
    std::vector<TopLine> statements;
    std::vector<RepeatedLine> repeated;
    std::vector<AnalyticLine> analytic;
    std::vector<AnalyticSuspect> suspects;
    std::vector<SilentServer> silent;
    std::string advice;
};
BOOST_DESCRIBE_STRUCT(TopReport, (), (statements, repeated, analytic, suspects, silent, advice))

TopReport top_of(StatementReport report, const store::ServerStatistics& server,
                 std::uint64_t analytic_rows);
// `by` as DbQuery::by; those beyond `limit` go.
void order(TopReport& top, const std::string& by, std::size_t limit);
std::string to_text(const TopReport& top);

// "12us", "1.5ms", "2.0s"
std::string time_text(std::int64_t us);

}  // namespace loadstone::server::internal
