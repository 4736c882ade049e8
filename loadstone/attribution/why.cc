#include "loadstone/attribution/why.h"

#include <fmt/core.h>

#include <algorithm>

namespace loadstone::attribution {

namespace {

using telemetry::ActivityTotals;
using telemetry::HistogramCounts;
using telemetry::QueryUse;
using telemetry::Snapshot;

constexpr std::size_t queries_shown = 3;
constexpr double share_min = 0.005;

std::uint64_t minus(std::uint64_t now, std::uint64_t before) {
    return now > before ? now - before : 0;
}

ActivityTotals since(ActivityTotals now, const ActivityTotals& before) {
    now.count = minus(now.count, before.count);
    now.failures = minus(now.failures, before.failures);
    now.cpu_ns = minus(now.cpu_ns, before.cpu_ns);
    now.allocations = minus(now.allocations, before.allocations);
    for (std::size_t i = 0; i < now.wait_ns.size(); ++i)
        now.wait_ns[i] = minus(now.wait_ns[i], before.wait_ns[i]);
    now.latency = now.latency.since(before.latency);
    for (QueryUse& use : now.queries) {
        const auto old =
            std::find_if(before.queries.begin(), before.queries.end(),
                         [&](const QueryUse& other) { return other.query == use.query; });
        if (old == before.queries.end()) continue;
        use.calls -= std::min(use.calls, old->calls);
        use.ns = minus(use.ns, old->ns);
        use.rows = minus(use.rows, old->rows);
    }
    return now;
}

std::vector<Share> shares_of(const ActivityTotals& totals) {
    std::vector<Share> shares;
    const auto whole = static_cast<double>(std::max<std::uint64_t>(1, totals.latency.sum_ns));
    double accounted = static_cast<double>(totals.cpu_ns);
    shares.push_back({"cpu", accounted / whole});
    for (std::size_t i = 0; i < telemetry::wait_kind_count; ++i) {
        const auto waited = static_cast<double>(totals.wait_ns[i]);
        accounted += waited;
        shares.push_back({telemetry::wait_kind_names[i], waited / whole});
    }
    if (accounted < whole) shares.push_back({"unaccounted", 1.0 - accounted / whole});
    // Work that overlaps (a lane while the loop goes on) can add up to more than the latency.
    if (accounted > whole) {
        for (Share& share : shares) share.part *= whole / accounted;
    }
    std::erase_if(shares, [](const Share& share) { return share.part < share_min; });
    std::sort(shares.begin(), shares.end(),
              [](const Share& a, const Share& b) { return a.part > b.part; });
    return shares;
}

std::vector<QueryRank> queries_of(std::vector<QueryUse> uses, const Snapshot& names,
                                  std::uint64_t count, double seconds) {
    std::sort(uses.begin(), uses.end(),
              [](const QueryUse& a, const QueryUse& b) { return a.ns > b.ns; });
    std::vector<QueryRank> ranks;
    for (const QueryUse& use : uses) {
        if (use.calls == 0 || ranks.size() == queries_shown) continue;
        const auto calls = static_cast<double>(use.calls);
        QueryRank rank;
        rank.name = use.query == 0 ? "other queries" : names.labels[use.query].name;
        rank.per_second = calls / seconds;
        rank.calls_each = calls / static_cast<double>(count);
        rank.mean_ns = use.ns / use.calls;
        rank.rows_each = static_cast<double>(use.rows) / calls;
        ranks.push_back(std::move(rank));
    }
    return ranks;
}

std::string_view meaning_of(std::string_view share) {
    if (share == "cpu") return "CPU";
    if (share == "run_queue") return "CPU that others hold (run queue)";
    if (share == "admission") return "its bulkhead's limit (admission)";
    if (share == "pool") return "connections of the pool";
    if (share == "lock") return "the writer's turn or a lock";
    if (share == "database") return "the database";
    if (share == "disk") return "the disk (commits)";
    if (share == "external_host") return "an external host";
    return "something that is not accounted for";
}

std::string verdict_of(const std::vector<Activity>& activities) {
    if (activities.empty()) return "nothing has happened in this time";
    const Activity& top = activities.front();
    if (top.shares.empty()) return fmt::format("{} takes the most time", top.name);
    std::string sentence = fmt::format("{} takes {:.0f} % of all time, {:.0f} % of that on {}",
                                       top.name, top.time_part * 100, top.shares.front().part * 100,
                                       meaning_of(top.shares.front().name));
    const bool by_query = top.shares.front().name == "database" && !top.queries.empty();
    if (by_query) sentence += fmt::format(", most of it in {}", top.queries.front().name);
    return sentence;
}

std::string duration_text(std::uint64_t ns) {
    const auto value = static_cast<double>(ns);
    if (ns < 1'000'000) return fmt::format("{:.0f}us", value / 1e3);
    if (ns < 10'000'000) return fmt::format("{:.1f}ms", value / 1e6);
    if (ns < 10'000'000'000) return fmt::format("{:.0f}ms", value / 1e6);
    return fmt::format("{:.0f}s", value / 1e9);
}

}  // namespace

Ranking rank(const Snapshot& now, const Snapshot* before, double age_seconds) {
    Ranking ranking;
    ranking.seconds = before == nullptr
                          ? age_seconds
                          : static_cast<double>(minus(now.taken_ns, before->taken_ns)) / 1e9;
    const double seconds = std::max(ranking.seconds, 0.001);
    double all_ns = 0;
    for (std::size_t label = 0; label < now.activities.size(); ++label) {
        ActivityTotals totals = now.activities[label];
        if (before != nullptr && label < before->activities.size())
            totals = since(std::move(totals), before->activities[label]);
        if (totals.count == 0) continue;
        Activity activity;
        activity.kind = now.labels[label].kind;
        activity.name = now.labels[label].name;
        activity.module = now.labels[label].module;
        activity.count = totals.count;
        activity.failures = totals.failures;
        activity.per_second = static_cast<double>(totals.count) / seconds;
        activity.p50_ns = totals.latency.quantile_ns(0.50);
        activity.p95_ns = totals.latency.quantile_ns(0.95);
        activity.p99_ns = totals.latency.quantile_ns(0.99);
        activity.cpu_ns_each = totals.cpu_ns / totals.count;
        activity.allocations_each =
            static_cast<double>(totals.allocations) / static_cast<double>(totals.count);
        activity.time_part = static_cast<double>(totals.latency.sum_ns);
        activity.shares = shares_of(totals);
        activity.queries = queries_of(std::move(totals.queries), now, totals.count, seconds);
        all_ns += activity.time_part;
        ranking.activities.push_back(std::move(activity));
    }
    for (Activity& activity : ranking.activities) activity.time_part /= std::max(all_ns, 1.0);
    std::sort(ranking.activities.begin(), ranking.activities.end(),
              [](const Activity& a, const Activity& b) { return a.time_part > b.time_part; });
    ranking.verdict = verdict_of(ranking.activities);
    return ranking;
}

std::string to_text(const Ranking& ranking) {
    std::string out = fmt::format("last {:.0f} s: {}\n\n", ranking.seconds, ranking.verdict);
    out += fmt::format("{:<36} {:>9} {:>7} {:>7} {:>7} {:>8} {:>6} {:>6}  {}\n", "ROUTE OR JOB",
                       "PER S", "P50", "P95", "P99", "CPU EACH", "FAILED", "TIME", "WHERE IT GOES");
    for (const Activity& activity : ranking.activities) {
        std::string where;
        for (const Share& share : activity.shares)
            where += fmt::format("{} {:.0f}%  ", share.name, share.part * 100);
        out += fmt::format("{:<36} {:>9.1f} {:>7} {:>7} {:>7} {:>8} {:>6} {:>5.1f}%  {}\n",
                           activity.name, activity.per_second, duration_text(activity.p50_ns),
                           duration_text(activity.p95_ns), duration_text(activity.p99_ns),
                           duration_text(activity.cpu_ns_each), activity.failures,
                           activity.time_part * 100, where);
        for (const QueryRank& query : activity.queries) {
            out += fmt::format(
                "    {:<32} {:>9.1f}         {:.1f} calls each, {} a call, {:.1f} rows\n",
                query.name, query.per_second, query.calls_each, duration_text(query.mean_ns),
                query.rows_each);
        }
    }
    return out;
}

}  // namespace loadstone::attribution
