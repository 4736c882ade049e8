#pragma once
// What a running server tells of its statements over the admin socket, as JSON: both sides of it.
// Times are microseconds.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loadstone/base/describe.h"
#include "loadstone/server/internal/admin_socket.h"
#include "loadstone/store/database.h"
#include "loadstone/telemetry/registry.h"

namespace loadstone::server::internal {

// A statement in one route or job kind; both "other": all that found no place of their own.
struct StatementLine {
    std::string process, statement, activity;
    std::int64_t calls = 0, failures = 0, rows = 0;
    std::int64_t total_us = 0, p50_us = 0, p95_us = 0, p99_us = 0;
    std::int64_t pool_wait_us = 0;
    // SQLite alone: waits for the writer's turn, rows stepped through without an index, VM steps,
    // sorts, rows of automatic indexes.
    std::optional<std::int64_t> lock_wait_us, scanned, steps, sorts, auto_index_rows;
};
BOOST_DESCRIBE_STRUCT(StatementLine, (),
                      (process, statement, activity, calls, failures, rows, total_us, p50_us,
                       p95_us, p99_us, pool_wait_us, lock_wait_us, scanned, steps, sorts,
                       auto_index_rows))

struct StatementPlan {
    std::string process, statement, sqlite, postgres;
    std::int64_t parameters = 0;
    bool writes = false;
    std::string plan, before;
    std::int64_t changes = 0;
    std::optional<Timestamp> changed_at;
    // Of what PostgreSQL was asked about now and then.
    std::int64_t samples = 0, sampled_rows = 0, sampled_scanned = 0, sampled_temp_bytes = 0;
    std::optional<std::int64_t> lock_waits;  // nothing: it was not asked
};
BOOST_DESCRIBE_STRUCT(StatementPlan, (),
                      (process, statement, sqlite, postgres, parameters, writes, plan, before,
                       changes, changed_at, samples, sampled_rows, sampled_scanned,
                       sampled_temp_bytes, lock_waits))

struct RepeatedLine {
    std::string process, statement, activity, place;
    std::int64_t spans = 0;
};
BOOST_DESCRIBE_STRUCT(RepeatedLine, (), (process, statement, activity, place, spans))

// A statement for the column store that ran on the primary, and its run that read most.
struct AnalyticLine {
    std::string process, statement, activity, place;
    std::int64_t times = 0;
    std::optional<Timestamp> at;  // of the last one
    std::int64_t read = 0, rows = 0, us = 0, cpu_us = 0;
    bool is_estimate = false;
    bool is_of_view = false;  // a view's computation runs it
};
BOOST_DESCRIBE_STRUCT(AnalyticLine, (),
                      (process, statement, activity, place, times, at, read, rows, us, cpu_us,
                       is_estimate, is_of_view))

struct SlowLine {
    std::string process, statement, activity, place;
    Timestamp at;
    std::int64_t us = 0, rows = 0, pool_wait_us = 0;
    std::optional<std::int64_t> scanned, lock_wait_us;  // SQLite alone
    std::int64_t span = 0, cause = 0;
    bool failed = false;
};
BOOST_DESCRIBE_STRUCT(SlowLine, (),
                      (process, statement, activity, place, at, us, rows, scanned, pool_wait_us,
                       lock_wait_us, span, cause, failed))

// The lane that writes to SQLite; `activity` empty: no body runs.
struct WriterLine {
    std::string process, activity;
    std::int64_t since_us = 0, waiting = 0;
};
BOOST_DESCRIBE_STRUCT(WriterLine, (), (process, activity, since_us, waiting))

struct StatementReport {
    std::vector<StatementLine> lines;
    std::vector<StatementPlan> statements;
    std::vector<RepeatedLine> repeated;
    std::vector<AnalyticLine> analytic;
    std::vector<SlowLine> slow;
    std::vector<WriterLine> writers;
    std::vector<SilentServer> silent;  // of ask_for_report()
};
BOOST_DESCRIBE_STRUCT(StatementReport, (), (lines, statements, repeated, analytic, slow, writers))

// The answer to `db`, in this process.
std::string statement_report(const telemetry::Registry& registry, store::Database& database);

// Those of all servers of the data folder that answer. unavailable if none does.
StatementReport ask_for_report(const std::string& data);

}  // namespace loadstone::server::internal
