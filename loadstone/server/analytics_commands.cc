// campus analytics status and query.

#include "loadstone/server/internal/analytics_commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>

#include "loadstone/analytics/ad_hoc.h"
#include "loadstone/analytics/backlog.h"
#include "loadstone/base/error.h"
#include "loadstone/base/json.h"
#include "loadstone/server/blocking.h"
#include "loadstone/server/internal/admin_socket.h"
#include "loadstone/server/internal/command_session.h"

namespace loadstone::server::internal {

namespace {

struct ServerLine {
    std::string process;
    analytics::FeedReport feed;
};
BOOST_DESCRIBE_STRUCT(ServerLine, (), (process, feed))

struct StatusReport {
    std::int64_t waiting = 0, waiting_max = 0;  // in the database, whoever runs
    std::vector<ServerLine> servers;
    std::vector<SilentServer> silent;
    std::vector<analytics::Work> work;
};
BOOST_DESCRIBE_STRUCT(StatusReport, (), (waiting, waiting_max, servers, silent, work))

Task<StatusReport> read_database(Context& context) {
    StatusReport report;
    report.waiting = co_await analytics::facts_waiting(context.reader());
    report.work = co_await analytics::all_work(context.reader());
    co_return report;
}

std::string age_of(Timestamp time, Timestamp now) {
    if (time.micros == 0) return "not known yet";
    return fmt::format("{:.1f} s old", static_cast<double>((now - time).count()) / 1e6);
}

std::string to_text(const ServerLine& line, Timestamp now) {
    const analytics::FeedReport& feed = line.feed;
    std::string text = fmt::format("process {}: the store's state is {}{}\n", line.process,
                                   age_of(feed.as_of, now),
                                   feed.is_late ? ", older than analytics.lag_max_ms" : "");
    if (!feed.held_by.empty()) text += fmt::format("  the oldest transaction: {}\n", feed.held_by);
    if (!feed.failure.empty()) text += fmt::format("  facts wait: {}\n", feed.failure);
    if (!feed.is_carrying)
        return text + (feed.failure.empty() ? "  another server has the store\n" : "");
    text += fmt::format("  {} facts in {} batches since it was started, {} steps failed\n",
                        feed.facts, feed.batches, feed.failures);
    const double megabytes = static_cast<double>(feed.file_bytes) / 1e6;
    if (feed.store != "loadstone-duckdb")
        return text + fmt::format("  {}: {:.1f} MB on disk\n", feed.store, megabytes);
    text += fmt::format(
        "  loadstone-duckdb {}: restarted {} times, {} merges of rollups failed, {:.1f} MB on "
        "disk\n",
        feed.store_process > 0 ? fmt::to_string(feed.store_process) : "is gone", feed.restarts,
        feed.failed_merges, megabytes);
    return text;
}

std::string to_text(const analytics::Work& work) {
    std::string text =
        fmt::format("{}: {} {}, {} facts", work.fact, work.kind, work.state, work.facts);
    if (work.state == "running")
        text +=
            fmt::format(", key {} of {}", std::min(work.next_key, work.last_key), work.last_key);
    if (!work.reason.empty()) text += ": " + work.reason;
    return text + "\n";
}

// In columns as wide as their widest value.
std::string to_text(const analytics::AdHocAnswer& answer) {
    std::vector<std::size_t> widths;
    for (const analytics::Column& column : answer.columns) widths.push_back(column.name.size());
    for (const auto& row : answer.rows) {
        for (std::size_t i = 0; i < row.size(); ++i)
            widths[i] = std::max(widths[i], row[i] ? row[i]->size() : 0);
    }
    std::string text;
    const auto end_line = [&text] {
        text.erase(text.find_last_not_of(' ') + 1);
        text += '\n';
    };
    for (std::size_t i = 0; i < widths.size(); ++i)
        text += fmt::format("{:<{}}  ", answer.columns[i].name, widths[i]);
    end_line();
    for (const auto& row : answer.rows) {
        for (std::size_t i = 0; i < row.size(); ++i)
            text += fmt::format("{:<{}}  ", row[i].value_or(""), widths[i]);
        end_line();
    }
    return text + fmt::format("{} rows, as of {}\n", answer.rows.size(), to_rfc3339(answer.as_of));
}

}  // namespace

void analytics_status_command(const Config& config, const std::vector<Module>& modules,
                              const AnalyticsQuery& query) {
    CommandSession session(config, modules);
    StatusReport report = run_blocking(session.loops(), read_database(session.context()));
    report.waiting_max = config.analytics.waiting_max;
    const auto folder = (std::filesystem::path(config.data) / "run").string();
    for (const auto& answer : ask_servers(folder, "analytics")) {
        auto feed = from_json<analytics::FeedReport>(answer.text, stored_json);
        if (feed)
            report.servers.push_back({answer.process, std::move(*feed)});
        else
            report.silent.push_back(silent_of(answer));
    }
    if (query.json) {
        print(to_json(report) + "\n");
        return;
    }
    print(fmt::format("{} facts wait, {} may\n", report.waiting, report.waiting_max));
    const Timestamp now = Timestamp::now();
    for (const ServerLine& line : report.servers) print(to_text(line, now));
    print(silent_text(report.silent));
    if (report.servers.empty() && report.silent.empty())
        print(fmt::format("no server runs on the data folder {}: facts wait\n", config.data));
    for (const analytics::Work& work : report.work) print(to_text(work));
}

void analytics_query_command(const Config& config, const std::vector<Module>&,
                             const AnalyticsQuery& query) {
    require_access(config);
    analytics::Options options = config.analytics;
    options.query_rows_max = query.rows_max;
    options.query_timeout = std::chrono::seconds(query.timeout_s);
    const analytics::AdHocAnswer answer = analytics::ask_ad_hoc(options, query.text);
    print(query.json ? analytics::to_json(answer) + "\n" : to_text(answer));
}

}  // namespace loadstone::server::internal
