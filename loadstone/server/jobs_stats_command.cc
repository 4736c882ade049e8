// campus jobs stats: what stands in the database of each queue, and what the servers of this
// machine have counted of each kind.

#include <fmt/format.h>

#include <filesystem>

#include "loadstone/base/json.h"
#include "loadstone/jobs/admin.h"
#include "loadstone/jobs/kind_stats.h"
#include "loadstone/server/blocking.h"
#include "loadstone/server/internal/admin_socket.h"
#include "loadstone/server/internal/command_session.h"
#include "loadstone/server/internal/jobs_commands.h"

namespace loadstone::server::internal {

namespace {

Task<std::vector<jobs::QueueStats>> stats_in(Context& context) {
    co_return co_await jobs::queue_stats(context.reader());
}

// A server of another version may answer otherwise: then it is left out.
std::vector<std::vector<jobs::KindCounts>> counted_by_servers(const Config& config) {
    const std::string folder = (std::filesystem::path(config.data) / "run").string();
    std::vector<std::vector<jobs::KindCounts>> all;
    for (const AdminAnswer& answer : ask_servers(folder, "jobs")) {
        auto counts = from_json<std::vector<jobs::KindCounts>>(answer.text, stored_json);
        if (counts) all.push_back(std::move(*counts));
    }
    return all;
}

std::string time_text(std::int64_t micros) {
    if (micros < 1'000'000) return fmt::format("{:.1f}ms", static_cast<double>(micros) / 1e3);
    return fmt::format("{:.1f}s", static_cast<double>(micros) / 1e6);
}

void print_queues(const std::vector<jobs::QueueStats>& queues) {
    print(fmt::format("{:<24} {:>10} {:>10} {:>10} {:>8} {:>8} {:>8} {:>8}\n", "QUEUE", "READY",
                      "OLDEST", "SCHEDULED", "BLOCKED", "RUNNING", "RETRYING", "DEAD"));
    for (const auto& queue : queues) {
        print(fmt::format(
            "{:<24} {:>10} {:>10} {:>10} {:>8} {:>8} {:>8} {:>8}{}\n", queue.name, queue.ready,
            queue.ready > 0 ? fmt::format("{:.1f}s", static_cast<double>(queue.oldest_us) / 1e6)
                            : "-",
            queue.scheduled, queue.blocked, queue.running, queue.retrying, queue.dead,
            queue.is_paused ? "  paused" : ""));
    }
}

void print_kinds(const std::string& queue, const jobs::QueueKinds& of) {
    for (const jobs::KindStats& kind : of.kinds) {
        if (kind.runs == 0) continue;
        print(fmt::format("{:<40} {:>8} {:>7} {:>7} {:>7} {:>7} {:>9} {:>9} {:>9} {:>9}\n",
                          kind.kind, kind.runs, kind.failed, kind.retried, kind.snoozed,
                          kind.buried, time_text(kind.wait_p50_us), time_text(kind.wait_p99_us),
                          time_text(kind.run_p50_us), time_text(kind.run_p99_us)));
    }
    if (of.limited > 0)
        print(fmt::format("limits have held up jobs of queue {} {} times\n", queue, of.limited));
}

}  // namespace

void jobs_stats_command(const Config& config, const std::vector<Module>& modules, bool json) {
    std::vector<jobs::QueueStats> queues;
    {
        CommandSession session(config, modules);
        queues = run_blocking(session.loops(), stats_in(session.context()));
    }
    const auto processes = counted_by_servers(config);
    if (json) {
        std::string all;
        for (const jobs::QueueStats& queue : queues) {
            all += all.empty() ? "" : ",";
            all += joined(to_json(queue), to_json(jobs::kinds_of(queue.name, processes)));
        }
        print("[" + all + "]\n");
        return;
    }
    print_queues(queues);
    if (processes.empty()) return;
    print(fmt::format("\nsince their start, {} server(s) of this machine:\n", processes.size()));
    print(fmt::format("{:<40} {:>8} {:>7} {:>7} {:>7} {:>7} {:>9} {:>9} {:>9} {:>9}\n", "KIND",
                      "RUNS", "FAILED", "RETRIED", "SNOOZED", "BURIED", "WAIT P50", "P99",
                      "RUN P50", "P99"));
    for (const jobs::QueueStats& queue : queues)
        print_kinds(queue.name, jobs::kinds_of(queue.name, processes));
}

}  // namespace loadstone::server::internal
