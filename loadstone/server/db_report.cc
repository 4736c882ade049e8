#include "loadstone/server/internal/db_report.h"

#include <fmt/core.h>

#include <filesystem>
#include <iterator>

#include "loadstone/base/error.h"
#include "loadstone/base/json.h"
#include "loadstone/server/internal/admin_socket.h"
#include "loadstone/store/analytic_reads.h"

namespace loadstone::server::internal {

namespace {

std::int64_t number(std::uint64_t value) { return static_cast<std::int64_t>(value); }
std::int64_t micros(std::uint64_t ns) { return static_cast<std::int64_t>(ns / 1'000); }

StatementLine line_of(const telemetry::StatementTotals& totals, const telemetry::Registry& registry,
                      bool is_sqlite) {
    StatementLine line;
    line.statement = registry.name_of(totals.statement);
    line.activity = registry.name_of(totals.activity);
    line.calls = number(totals.latency.total);
    line.failures = number(totals.failures);
    line.rows = number(totals.rows);
    line.total_us = micros(totals.latency.sum_ns);
    line.p50_us = micros(totals.latency.quantile_ns(0.50));
    line.p95_us = micros(totals.latency.quantile_ns(0.95));
    line.p99_us = micros(totals.latency.quantile_ns(0.99));
    line.pool_wait_us = micros(totals.pool_ns);
    if (!is_sqlite) return line;
    line.lock_wait_us = micros(totals.lock_ns);
    line.scanned = number(totals.scanned);
    line.steps = number(totals.steps);
    line.sorts = number(totals.sorts);
    line.auto_index_rows = number(totals.auto_indexes);
    return line;
}

StatementPlan plan_of(const store::StatementText& text, const store::PlanFacts& facts,
                      bool is_sampled) {
    StatementPlan plan;
    plan.statement = text.name;
    plan.sqlite = text.sqlite;
    plan.postgres = text.postgres;
    plan.parameters = text.parameters;
    plan.writes = text.writes;
    plan.plan = facts.plan;
    plan.before = facts.before;
    plan.changes = number(facts.changes);
    if (facts.changes > 0) plan.changed_at = facts.changed_at;
    plan.samples = number(facts.samples);
    plan.sampled_rows = number(facts.rows);
    plan.sampled_scanned = number(facts.scanned);
    plan.sampled_temp_bytes = number(facts.temp_bytes);
    if (is_sampled) plan.lock_waits = number(facts.lock_waits);
    return plan;
}

void add_of(StatementReport& report, const store::StatementStatistics& statistics, bool is_sqlite) {
    const bool is_sampled = !is_sqlite && statistics.options().samples_plans;
    const auto plans = statistics.plans();
    for (const store::StatementText& text : statistics.texts()) {
        const auto facts = plans.find(text.name);
        report.statements.push_back(
            plan_of(text, facts == plans.end() ? store::PlanFacts{} : facts->second, is_sampled));
    }
    for (const store::RepeatedStatement& each : statistics.repeated()) {
        report.repeated.push_back(
            {"", each.statement, each.activity, each.place, number(each.spans)});
    }
    for (const store::AnalyticRead& each : statistics.analytic_reads().all()) {
        report.analytic.push_back({"", each.statement, each.activity, each.place,
                                   number(each.times), each.at, number(each.read),
                                   number(each.rows), number(each.us), number(each.cpu_us),
                                   each.is_estimate, each.is_of_view});
    }
    for (const store::SlowStatement& each : statistics.slow()) {
        SlowLine& line = report.slow.emplace_back();
        line = {"",
                each.statement,
                each.activity,
                each.place,
                each.at,
                number(each.us),
                number(each.rows),
                number(each.pool_wait_us),
                {},
                {},
                number(each.span),
                number(each.cause),
                each.failed};
        if (!is_sqlite) continue;
        line.scanned = number(each.scanned);
        line.lock_wait_us = number(each.lock_wait_us);
    }
}

template <class Line>
void append(std::vector<Line>& to, std::vector<Line>& from, const std::string& process) {
    for (Line& line : from) line.process = process;
    to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

}  // namespace

std::string statement_report(const telemetry::Registry& registry, store::Database& database) {
    StatementReport report;
    const bool is_sqlite = database.dialect() == store::Dialect::sqlite;
    for (const auto& totals : registry.statements())
        report.lines.push_back(line_of(totals, registry, is_sqlite));
    if (const auto* const statistics = database.statistics())
        add_of(report, *statistics, is_sqlite);
    if (const auto state = database.writer_state()) {
        report.writers.push_back(
            {"", state->activity,
             std::chrono::duration_cast<std::chrono::microseconds>(state->since).count(),
             static_cast<std::int64_t>(state->waiting)});
    }
    return to_json(report) + "\n";
}

StatementReport ask_for_report(const std::string& data) {
    const auto answers = ask_servers((std::filesystem::path(data) / "run").string(), "db");
    if (answers.empty())
        throw Error(Errc::unavailable, fmt::format("no server runs on the data folder {}: what its "
                                                   "statements cost is the server's to tell",
                                                   data));
    StatementReport all;
    for (const auto& answer : answers) {
        auto read = from_json<StatementReport>(answer.text, stored_json);
        if (!read) {
            all.silent.push_back(silent_of(answer));
            continue;
        }
        append(all.lines, read->lines, answer.process);
        append(all.statements, read->statements, answer.process);
        append(all.repeated, read->repeated, answer.process);
        append(all.analytic, read->analytic, answer.process);
        append(all.slow, read->slow, answer.process);
        append(all.writers, read->writers, answer.process);
    }
    if (all.silent.size() == answers.size())
        throw Error(Errc::unavailable,
                    fmt::format("no server on the data folder {} tells of its statements: process "
                                "{}: {}",
                                data, all.silent.front().process, all.silent.front().why));
    return all;
}

}  // namespace loadstone::server::internal
