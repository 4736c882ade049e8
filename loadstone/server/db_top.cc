#include "loadstone/server/internal/db_top.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "loadstone/store/server_uses.h"

namespace loadstone::server::internal {

namespace {

// Of a statement, by all processes together.
struct Facts {
    std::int64_t samples = 0, rows = 0, scanned = 0, temp_bytes = 0, changes = 0;
    std::optional<std::int64_t> lock_waits;
    std::optional<store::ServerUse> use;
};
using AllFacts = std::map<std::string_view, Facts>;

AllFacts facts_of(const std::vector<StatementPlan>& plans, const store::ServerStatistics& server) {
    const store::ServerUses uses(server);
    AllFacts all;
    for (const StatementPlan& plan : plans) {
        const auto [known, is_new] = all.try_emplace(plan.statement);
        Facts& facts = known->second;
        if (is_new) facts.use = uses.of(plan.postgres);
        facts.samples += plan.samples;
        facts.rows += plan.sampled_rows;
        facts.scanned += plan.sampled_scanned;
        facts.temp_bytes += plan.sampled_temp_bytes;
        facts.changes = std::max(facts.changes, plan.changes);
        facts.lock_waits = std::max(facts.lock_waits, plan.lock_waits);  // nothing is the least
    }
    return all;
}

std::string bytes_text(std::int64_t bytes) {
    if (bytes < 0) return "-";
    if (bytes < 1'000'000) return fmt::format("{}kB", bytes / 1'000);
    return fmt::format("{}MB", bytes / 1'000'000);
}

// PostgreSQL does not tell how long: how often a look saw it wait.
std::string lock_text(const TopLine& top) {
    if (top.line.lock_wait_us) return time_text(*top.line.lock_wait_us);
    return top.lock_waits_seen ? fmt::format("{}x", *top.lock_waits_seen) : "-";
}

double ratio(std::int64_t scanned, std::int64_t rows) {
    return static_cast<double>(scanned) / static_cast<double>(std::max<std::int64_t>(rows, 1));
}

void add_facts(TopLine& one, const Facts& facts) {
    one.plan_changes = facts.changes;
    one.lock_waits_seen = facts.lock_waits;
    if (facts.samples > 0) {
        one.scanned_per_row = ratio(facts.scanned, facts.rows);
        one.temp_bytes = facts.temp_bytes;
    }
    if (!facts.use) return;
    one.temp_bytes = static_cast<std::int64_t>(facts.use->temp_bytes);
    one.server_cpu_ms = facts.use->cpu_ms;
    one.server_disk_bytes = facts.use->disk_bytes;
}

double order_of(const TopLine& top, const std::string& by) {
    if (by == "calls") return static_cast<double>(top.line.calls);
    if (by == "p99") return static_cast<double>(top.line.p99_us);
    if (by == "rows") return static_cast<double>(top.line.rows);
    if (by == "scanned") return top.scanned_per_row;
    return static_cast<double>(top.line.total_us);
}

bool is_of_several(const TopReport& top) {
    return std::ranges::any_of(top.statements, [&](const TopLine& each) {
        return each.line.process != top.statements.front().line.process;
    });
}

std::string line_text(const TopLine& one) {
    const StatementLine& line = one.line;
    return fmt::format(
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
        one.plan_changes > 0 ? fmt::format("changed {}x", one.plan_changes) : "");
}

}  // namespace

std::string time_text(std::int64_t us) {
    if (us < 1'000) return fmt::format("{}us", us);
    if (us < 1'000'000) return fmt::format("{:.1f}ms", static_cast<double>(us) / 1e3);
    return fmt::format("{:.1f}s", static_cast<double>(us) / 1e6);
}

TopReport top_of(StatementReport report, const store::ServerStatistics& server,
                 std::uint64_t analytic_rows) {
    TopReport top;
    top.suspects = analytic_suspects(report, server, analytic_rows);
    const AllFacts all = facts_of(report.statements, server);
    for (StatementLine& line : report.lines) {
        TopLine& one = top.statements.emplace_back();
        if (line.scanned) one.scanned_per_row = ratio(*line.scanned, line.rows);
        const auto facts = all.find(line.statement);
        if (facts != all.end()) add_facts(one, facts->second);
        one.line = std::move(line);
    }
    top.repeated = std::move(report.repeated);
    top.analytic = std::move(report.analytic);
    top.silent = std::move(report.silent);
    top.advice = server.advice;
    return top;
}

void order(TopReport& top, const std::string& by, std::size_t limit) {
    std::ranges::sort(top.statements, [&](const TopLine& a, const TopLine& b) {
        return order_of(a, by) > order_of(b, by);
    });
    if (top.statements.size() > limit) top.statements.resize(limit);
}

std::string to_text(const TopReport& top) {
    const bool names_processes = is_of_several(top);
    std::string text = names_processes ? fmt::format("{:<8} ", "PROCESS") : "";
    text += fmt::format(
        "{:<36} {:<34} {:>9} {:>9} {:>9} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>7} {:>8} {:>7} "
        "{}\n",
        "STATEMENT", "IN", "CALLS", "ROWS", "TOTAL", "P50", "P95", "P99", "POOL", "LOCK",
        "READ/ROW", "TEMP", "CPU", "DISK", "PLAN");
    for (const TopLine& one : top.statements) {
        if (names_processes) text += fmt::format("{:<8} ", one.line.process);
        text += line_text(one);
    }
    for (const RepeatedLine& each : top.repeated) {
        text += fmt::format("N+1: {} for one row over and over in {}, at {} ({} times seen)\n",
                            each.statement, each.activity, each.place, each.spans);
    }
    text += analytic_text(top.analytic) + suspects_text(top.suspects) + silent_text(top.silent);
    if (!top.advice.empty()) text += top.advice + "\n";
    return text;
}

}  // namespace loadstone::server::internal
