#include "loadstone/server/internal/db_analytics.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "loadstone/store/analytic_reads.h"
#include "loadstone/store/server_uses.h"

namespace loadstone::server::internal {

namespace {

// A page of 8 KiB holds a hundred rows or more, and PostgreSQL adds up 20 million a second.
constexpr double row_bytes = 80, row_ms = 50e-6;

}  // namespace

std::string analytic_text(const std::vector<AnalyticLine>& lines) {
    std::string text;
    for (const AnalyticLine& each : lines) {
        text += fmt::format(
            "{}: {} read {}{} rows for {} in {} ms{} in {}, at {} ({} times seen): {}\n",
            each.is_of_view ? "by a view" : "for the column store", each.statement,
            each.is_estimate ? "about " : "", each.read, each.rows, each.us / 1'000,
            each.cpu_us > 0 ? fmt::format(" ({} ms CPU)", each.cpu_us / 1'000) : "", each.activity,
            each.place.empty() ? "an unknown place" : each.place, each.times,
            each.is_of_view ? "that is what computing it costs; its answer is kept"
                            : "declare a view or an aggregate, or ask analytics");
    }
    return text;
}

std::vector<AnalyticSuspect> analytic_suspects(const StatementReport& report,
                                               const store::ServerStatistics& server,
                                               std::uint64_t rows_min) {
    if (rows_min == 0) return {};
    const store::ServerUses uses(server);
    std::set<std::string_view> known;
    for (const AnalyticLine& each : report.analytic) known.insert(each.statement);
    for (const StatementPlan& each : report.statements) {
        if (each.samples > 0) known.insert(each.statement);
    }
    std::vector<AnalyticSuspect> suspects;
    const auto rows = static_cast<double>(rows_min);
    for (const StatementPlan& each : report.statements) {
        const auto use = uses.of(each.postgres);
        if (!use || use->calls == 0) continue;
        const auto calls = static_cast<double>(use->calls);
        const double bytes = static_cast<double>(use->read_bytes + use->hit_bytes) / calls;
        const double ms = use->total_ms / calls;
        if (bytes < rows * row_bytes || ms < rows * row_ms || !store::adds_up(each.postgres))
            continue;
        if (!known.insert(each.statement).second) continue;  // of another process too
        suspects.push_back({each.statement, static_cast<std::int64_t>(use->calls),
                            static_cast<std::int64_t>(bytes), ms});
    }
    return suspects;
}

std::string suspects_text(const std::vector<AnalyticSuspect>& suspects) {
    std::string text;
    for (const AnalyticSuspect& each : suspects) {
        text += fmt::format(
            "perhaps for the column store: {} adds up, and reads {} MB in {:.0f} ms a call ({} "
            "calls, "
            "by pg_stat_statements): `db explain {} --analyze` tells its rows\n",
            each.statement, each.bytes_a_call / 1'000'000, each.ms_a_call, each.calls,
            each.statement);
    }
    return text;
}

}  // namespace loadstone::server::internal
