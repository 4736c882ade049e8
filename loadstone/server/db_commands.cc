// campus db top, slow and explain.

#include "loadstone/server/internal/db_commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "loadstone/base/error.h"
#include "loadstone/base/json.h"
#include "loadstone/server/internal/command_session.h"
#include "loadstone/server/internal/db_analytics.h"
#include "loadstone/server/internal/db_report.h"
#include "loadstone/store/inspection.h"
#include "loadstone/store/server_uses.h"

namespace loadstone::server::internal {

namespace {

struct TopLine {
    StatementLine line;
    // Rows read for each row given back; SQLite: without an index. -1: not known.
    double scanned_per_row = -1;
    std::int64_t temp_bytes = -1;
    // Inside PostgreSQL, by all who use the database. -1: not known.
    double server_cpu_ms = -1;
    std::int64_t server_disk_bytes = -1;
    std::int64_t plan_changes = 0;
    std::int64_t lock_waits_seen = 0;
};
BOOST_DESCRIBE_STRUCT(TopLine, (),
                      (line, scanned_per_row, temp_bytes, server_cpu_ms, server_disk_bytes,
                       plan_changes, lock_waits_seen))

struct TopReport {
    std::vector<TopLine> statements;
    std::vector<RepeatedLine> repeated;
    std::vector<AnalyticLine> analytic;
    std::vector<AnalyticSuspect> suspects;
    std::string advice;
};
BOOST_DESCRIBE_STRUCT(TopReport, (), (statements, repeated, analytic, suspects, advice))

struct StepLine {
    std::int64_t depth = 0;
    std::string step;
    std::optional<double> estimated_rows, rows;
    std::vector<std::string> details;
};
BOOST_DESCRIBE_STRUCT(StepLine, (), (depth, step, estimated_rows, rows, details))

struct ExplainReport {
    std::string statement, sql;
    bool is_analyzed = false;
    std::int64_t rows = 0, scanned = 0, temp_bytes = 0;
    std::vector<StepLine> steps;
    std::int64_t changes = 0;
    std::optional<Timestamp> changed_at;
    std::string before;
};
BOOST_DESCRIBE_STRUCT(ExplainReport, (),
                      (statement, sql, is_analyzed, rows, scanned, temp_bytes, steps, changes,
                       changed_at, before))

std::string time_text(std::int64_t us) {
    if (us < 1'000) return fmt::format("{}us", us);
    if (us < 1'000'000) return fmt::format("{:.1f}ms", static_cast<double>(us) / 1e3);
    return fmt::format("{:.1f}s", static_cast<double>(us) / 1e6);
}

std::string bytes_text(std::int64_t bytes) {
    if (bytes < 0) return "-";
    if (bytes < 1'000'000) return fmt::format("{}kB", bytes / 1'000);
    return fmt::format("{}MB", bytes / 1'000'000);
}

std::string count_text(const std::optional<double>& rows) {
    return rows ? fmt::format("{:.0f}", *rows) : "-";
}

// PostgreSQL does not tell how long: how often a look saw it wait.
std::string lock_text(const TopLine& top) {
    return top.lock_waits_seen > 0 ? fmt::format("{}x", top.lock_waits_seen)
                                   : time_text(top.line.lock_wait_us);
}

double ratio(std::int64_t scanned, std::int64_t rows) {
    return static_cast<double>(scanned) / static_cast<double>(std::max<std::int64_t>(rows, 1));
}

double order_of(const TopLine& top, const std::string& by) {
    if (by == "calls") return static_cast<double>(top.line.calls);
    if (by == "p99") return static_cast<double>(top.line.p99_us);
    if (by == "rows") return static_cast<double>(top.line.rows);
    if (by == "scanned") return top.scanned_per_row;
    return static_cast<double>(top.line.total_us);
}

// Without the database's own statistics, saying why.
store::ServerStatistics server_statistics(const Config& config) {
    try {
        return store::open_inspection(config.database)->server_statistics();
    } catch (const Error& error) {
        store::ServerStatistics none;
        none.advice = fmt::format("The database does not tell of its side: {}", error.message());
        return none;
    }
}

TopReport top_of(StatementReport report, const store::ServerStatistics& server, bool is_sqlite) {
    std::map<std::string_view, const StatementPlan*> plans;
    for (const StatementPlan& plan : report.statements)
        plans[plan.statement] = &plan;  // of any process: the text is the same
    const store::ServerUses uses(server);
    TopReport top;
    top.repeated = std::move(report.repeated);
    top.analytic = report.analytic;
    top.advice = server.advice;
    for (StatementLine& line : report.lines) {
        TopLine& one = top.statements.emplace_back();
        if (is_sqlite) one.scanned_per_row = ratio(line.scanned, line.rows);
        if (const auto known = plans.find(line.statement); known != plans.end()) {
            const StatementPlan& plan = *known->second;
            one.plan_changes = plan.changes;
            one.lock_waits_seen = plan.lock_waits;
            if (plan.samples > 0) {
                one.scanned_per_row = ratio(plan.sampled_scanned, plan.sampled_rows);
                one.temp_bytes = plan.sampled_temp_bytes;
            }
            if (const auto use = uses.of(plan.postgres)) {
                one.temp_bytes = static_cast<std::int64_t>(use->temp_bytes);
                one.server_cpu_ms = use->cpu_ms;
                one.server_disk_bytes = use->disk_bytes;
            }
        }
        one.line = std::move(line);
    }
    return top;
}

const StatementPlan& find_statement(const StatementReport& report, const std::string& name) {
    const StatementPlan* found = nullptr;
    for (const StatementPlan& plan : report.statements) {
        if (plan.statement == name) return plan;
        if (!plan.statement.ends_with("." + name)) continue;
        if (found != nullptr && found->statement != plan.statement) {
            throw Error(Errc::invalid_argument,
                        fmt::format("{} may be {} or {}", name, found->statement, plan.statement));
        }
        found = &plan;
    }
    if (found != nullptr) return *found;
    throw Error(Errc::not_found, fmt::format("no running server has run a statement {}; `db top` "
                                             "shows those that were",
                                             name));
}

void require_values(const StatementPlan& statement, const DbQuery& query) {
    const auto given = static_cast<std::int64_t>(query.values.size());
    if (query.analyze && statement.writes) {
        throw Error(Errc::invalid_argument,
                    fmt::format("{} writes: it is explained, never run", statement.statement));
    }
    if (given == statement.parameters || (given == 0 && !query.analyze)) return;
    throw Error(Errc::invalid_argument,
                fmt::format("{} has {} parameters, {} values were given", statement.statement,
                            statement.parameters, given));
}

ExplainReport explain(const Config& config, const DbQuery& query) {
    const StatementReport known = ask_for_report(config.data);
    const StatementPlan& statement = find_statement(known, query.name);
    require_values(statement, query);
    store::StatementText text;
    text.name = statement.statement;
    text.sqlite = statement.sqlite;
    text.postgres = statement.postgres;
    text.parameters = static_cast<int>(statement.parameters);
    text.writes = statement.writes;
    const auto inspection = store::open_inspection(config.database);
    store::ExplainedPlan plan = inspection->explain(text, query.values, query.analyze);
    ExplainReport report;
    report.statement = statement.statement;
    report.sql = inspection->dialect() == store::Dialect::sqlite ? text.sqlite : text.postgres;
    report.is_analyzed = plan.is_analyzed;
    report.rows = static_cast<std::int64_t>(plan.rows);
    report.scanned = static_cast<std::int64_t>(plan.scanned);
    report.temp_bytes = static_cast<std::int64_t>(plan.temp_bytes);
    for (store::PlanStep& step : plan.steps) {
        report.steps.push_back({step.depth, std::move(step.step), step.estimated_rows, step.rows,
                                std::move(step.details)});
    }
    report.changes = statement.changes;
    report.changed_at = statement.changed_at;
    report.before = statement.before;
    return report;
}

}  // namespace

void db_top_command(const Config& config, const DbQuery& query) {
    require_access(config);
    StatementReport report = ask_for_report(config.data);
    const bool is_sqlite = config.database.url.starts_with("sqlite:");
    const store::ServerStatistics server = server_statistics(config);
    auto suspects = analytic_suspects(report, server, config.database.statistics.analytic_rows);
    TopReport top = top_of(std::move(report), server, is_sqlite);
    top.suspects = std::move(suspects);
    std::ranges::sort(top.statements, [&](const TopLine& a, const TopLine& b) {
        return order_of(a, query.by) > order_of(b, query.by);
    });
    if (top.statements.size() > static_cast<std::size_t>(query.limit))
        top.statements.resize(static_cast<std::size_t>(query.limit));
    if (query.json) {
        print(to_json(top) + "\n");
        return;
    }
    print(
        fmt::format("{:<36} {:<34} {:>9} {:>9} {:>9} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>7} "
                    "{:>8} {:>7} {}\n",
                    "STATEMENT", "IN", "CALLS", "ROWS", "TOTAL", "P50", "P95", "P99", "POOL",
                    "LOCK", "READ/ROW", "TEMP", "CPU", "DISK", "PLAN"));
    for (const TopLine& one : top.statements) {
        const StatementLine& line = one.line;
        print(fmt::format(
            "{:<36} {:<34} {:>9} {:>9} {:>9} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>7} {:>8} {:>7} "
            "{}\n",
            line.statement, line.activity, line.calls, line.rows, time_text(line.total_us),
            time_text(line.p50_us), time_text(line.p95_us), time_text(line.p99_us),
            time_text(line.pool_wait_us), lock_text(one),
            one.scanned_per_row < 0 ? "-" : fmt::format("{:.1f}", one.scanned_per_row),
            bytes_text(one.temp_bytes),
            one.server_cpu_ms < 0 ? "-"
                                  : time_text(static_cast<std::int64_t>(one.server_cpu_ms * 1'000)),
            bytes_text(one.server_disk_bytes),
            one.plan_changes > 0 ? fmt::format("changed {}x", one.plan_changes) : ""));
    }
    for (const RepeatedLine& each : top.repeated) {
        print(fmt::format("N+1: {} for one row over and over in {}, at {} ({} times seen)\n",
                          each.statement, each.activity, each.place, each.spans));
    }
    print(analytic_text(top.analytic) + suspects_text(top.suspects));
    if (!top.advice.empty()) print(top.advice + "\n");
}

void db_slow_command(const Config& config, const DbQuery& query) {
    require_access(config);
    std::vector<SlowLine> slow = ask_for_report(config.data).slow;
    std::ranges::sort(slow, std::ranges::greater(), &SlowLine::us);
    if (slow.size() > static_cast<std::size_t>(query.limit))
        slow.resize(static_cast<std::size_t>(query.limit));
    if (query.json) {
        print(to_json(slow) + "\n");
        return;
    }
    if (slow.empty()) {
        print(fmt::format("no statement took longer than {} ms of late\n",
                          config.database.statistics.slow_after.count()));
        return;
    }
    print(fmt::format("{:>9} {:>9} {:<36} {:<34} {:<27} {:<12} {}\n", "TOOK", "ROWS", "STATEMENT",
                      "IN", "AT", "SPAN", "CALLED FROM"));
    for (const SlowLine& each : slow) {
        print(fmt::format("{:>9} {:>9} {:<36} {:<34} {:<27} {:<12} {}{}{}\n", time_text(each.us),
                          each.rows, each.statement, each.activity, to_rfc3339(each.at), each.span,
                          each.place.empty() ? "-" : each.place,
                          each.cause != 0 ? fmt::format("  caused by {}", each.cause) : "",
                          each.failed ? "  failed" : ""));
    }
}

void db_explain_command(const Config& config, const DbQuery& query) {
    require_access(config);
    const ExplainReport report = explain(config, query);
    if (query.json) {
        print(to_json(report) + "\n");
        return;
    }
    print(fmt::format("{}\n{}\n\n{:>12} {:>12}  {}\n", report.statement, report.sql, "ESTIMATED",
                      "REAL", "STEP"));
    for (const StepLine& step : report.steps) {
        const auto indent = static_cast<std::size_t>(step.depth) * 2;
        print(fmt::format("{:>12} {:>12}  {:{}}{}\n", count_text(step.estimated_rows),
                          count_text(step.rows), "", indent, step.step));
        for (const std::string& detail : step.details)
            print(fmt::format("{:>25}  {:{}}  {}\n", "", "", indent, detail));
    }
    if (report.is_analyzed) {
        print(fmt::format("\n{} rows given back, {} read, {} bytes of temporary files\n",
                          report.rows, report.scanned, report.temp_bytes));
    }
    if (report.changes > 0) {
        print(fmt::format("\nThe plan has changed {} times, at last {}. Before:\n{}\n",
                          report.changes, report.changed_at ? to_rfc3339(*report.changed_at) : "",
                          report.before));
    }
}

}  // namespace loadstone::server::internal
