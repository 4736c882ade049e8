// campus db top, slow and explain.

#include "loadstone/server/internal/db_commands.h"

#include <fmt/format.h>

#include <algorithm>

#include "loadstone/base/error.h"
#include "loadstone/base/json.h"
#include "loadstone/server/internal/command_session.h"
#include "loadstone/server/internal/db_report.h"
#include "loadstone/server/internal/db_top.h"
#include "loadstone/store/inspection.h"

namespace loadstone::server::internal {

namespace {

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
    std::int64_t rows = 0, scanned = 0;
    std::optional<std::int64_t> temp_bytes;                             // PostgreSQL
    std::optional<std::int64_t> program_steps, sorts, auto_index_rows;  // SQLite
    std::vector<StepLine> steps;
    std::int64_t changes = 0;
    std::optional<Timestamp> changed_at;
    std::string before;
};
BOOST_DESCRIBE_STRUCT(ExplainReport, (),
                      (statement, sql, is_analyzed, rows, scanned, temp_bytes, program_steps, sorts,
                       auto_index_rows, steps, changes, changed_at, before))

std::string count_text(const std::optional<double>& rows) {
    return rows ? fmt::format("{:.0f}", *rows) : "-";
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

const StatementPlan& find_statement(const StatementReport& report, const std::string& name) {
    const StatementPlan* found = nullptr;
    for (const StatementPlan& plan : report.statements) {
        const bool is_it = plan.statement == name;
        if (!is_it && !plan.statement.ends_with("." + name)) continue;
        if (found != nullptr && found->statement == name && !is_it) continue;
        if (found != nullptr && found->statement != plan.statement && !is_it) {
            throw Error(Errc::invalid_argument,
                        fmt::format("{} may be {} or {}", name, found->statement, plan.statement));
        }
        const bool saw_less = found != nullptr && found->statement == plan.statement &&
                              found->changes >= plan.changes;
        if (!saw_less) found = &plan;
    }
    if (found != nullptr) return *found;
    throw Error(Errc::not_found,
                fmt::format("no running server has run a statement {}; `db top` "
                            "shows those that were{}{}",
                            name, report.silent.empty() ? "" : "; ", silent_text(report.silent)));
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
    if (plan.program) {
        report.program_steps = static_cast<std::int64_t>(plan.program->steps);
        report.sorts = static_cast<std::int64_t>(plan.program->sorts);
        report.auto_index_rows = static_cast<std::int64_t>(plan.program->auto_index_rows);
    } else {
        report.temp_bytes = static_cast<std::int64_t>(plan.temp_bytes);
    }
    for (store::PlanStep& step : plan.steps) {
        report.steps.push_back({step.depth, std::move(step.step), step.estimated_rows, step.rows,
                                std::move(step.details)});
    }
    report.changes = statement.changes;
    report.changed_at = statement.changed_at;
    report.before = statement.before;
    return report;
}

// SQLite, as Debian has it, does not count by step.
std::string run_text(const ExplainReport& report) {
    if (!report.program_steps)
        return fmt::format("\n{} rows given back, {} read, {} bytes of temporary files\n",
                           report.rows, report.scanned, report.temp_bytes.value_or(0));
    return fmt::format(
        "\n{} rows given back. SQLite does not tell the real rows of each step; of all together: "
        "{} "
        "rows stepped through without an index, {} rows put into automatic indexes, {} sorts, {} "
        "steps of its program\n",
        report.rows, report.scanned, report.auto_index_rows.value_or(0), report.sorts.value_or(0),
        *report.program_steps);
}

}  // namespace

void db_top_command(const Config& config, const DbQuery& query) {
    require_access(config);
    TopReport top = top_of(ask_for_report(config.data), server_statistics(config),
                           config.database.statistics.analytic_rows);
    order(top, query.by, static_cast<std::size_t>(query.limit));
    print(query.json ? to_json(top) + "\n" : to_text(top));
}

void db_slow_command(const Config& config, const DbQuery& query) {
    require_access(config);
    StatementReport known = ask_for_report(config.data);
    std::vector<SlowLine>& slow = known.slow;
    std::ranges::sort(slow, std::ranges::greater(), &SlowLine::us);
    if (slow.size() > static_cast<std::size_t>(query.limit))
        slow.resize(static_cast<std::size_t>(query.limit));
    fmt::print(stderr, "{}", silent_text(known.silent));
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
    if (report.is_analyzed) print(run_text(report));
    if (report.changes > 0) {
        print(fmt::format("\nThe plan has changed {} times, at last {}. Before:\n{}\n",
                          report.changes, report.changed_at ? to_rfc3339(*report.changed_at) : "",
                          report.before));
    }
}

}  // namespace loadstone::server::internal
