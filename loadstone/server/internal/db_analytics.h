#pragma once
// What `db top` says below its table of statements that are for the column store.

#include <string>
#include <vector>

#include "loadstone/server/internal/db_report.h"
#include "loadstone/store/inspection.h"

namespace loadstone::server::internal {

// Of what the servers have seen (store/analytic_reads.h), a line each.
std::string analytic_text(const std::vector<AnalyticLine>& lines);

// A statement that no server has looked at: a write, one in a transaction, one behind a pooler.
struct AnalyticSuspect {
    std::string statement;
    std::int64_t calls = 0;
    std::int64_t bytes_a_call = 0;  // of tables and indexes, from memory or not
    double ms_a_call = 0;
};
BOOST_DESCRIBE_STRUCT(AnalyticSuspect, (), (statement, calls, bytes_a_call, ms_a_call))

// By pg_stat_statements: they add up, and a call reads and takes as much as `rows_min` rows would.
// 0: none.
std::vector<AnalyticSuspect> analytic_suspects(const StatementReport& report,
                                               const store::ServerStatistics& server,
                                               std::uint64_t rows_min);
std::string suspects_text(const std::vector<AnalyticSuspect>& suspects);

}  // namespace loadstone::server::internal
