// campus jobs stats: what stands in the database of each queue, and what the servers of this
// machine have counted of each kind.

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "loadstone/base/json.h"
#include "loadstone/jobs/admin.h"
#include "loadstone/jobs/kind_stats.h"
#include "loadstone/server/blocking.h"
#include "loadstone/server/internal/admin_socket.h"
#include "loadstone/server/internal/command_session.h"
#include "loadstone/server/internal/jobs_commands.h"

namespace loadstone::server::internal {

namespace {

struct InDatabase {
    std::vector<jobs::QueueStats> queues;
    std::vector<std::string> processes;  // that run jobs, on all machines
};

Task<InDatabase> stats_in(Context& context, JobsQuery query, std::set<std::string> have_run) {
    const jobs::StatsFilter filter{query.queue, query.kind};
    InDatabase found;
    found.queues = co_await jobs::queue_stats(context.reader(), filter, have_run);
    found.processes = co_await jobs::process_names(context.reader());
    co_return found;
}

struct Counted {
    std::vector<std::vector<jobs::KindCounts>> by_process;
    std::vector<std::string> processes;  // whose they are, as process_names() has them
};

std::string host_name() {
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    return host;
}

// A server of another version may answer otherwise: then it is left out.
Counted counted_by_servers(const Config& config, const JobsQuery& query) {
    const std::string folder = (std::filesystem::path(config.data) / "run").string();
    const std::string host = host_name();
    Counted all;
    for (const AdminAnswer& answer : ask_servers(folder, "jobs")) {
        auto counts = from_json<std::vector<jobs::KindCounts>>(answer.text, stored_json);
        if (!counts) continue;
        std::erase_if(*counts, [&](const jobs::KindCounts& kind) {
            return !query.kind.empty() && kind.kind != query.kind;
        });
        all.by_process.push_back(std::move(*counts));
        all.processes.push_back(host + ":" + answer.process);
    }
    return all;
}

// Also those of which the tables have no job at the moment.
std::set<std::string> queues_that_have_run(const Counted& counted) {
    std::set<std::string> queues;
    for (const auto& process : counted.by_process) {
        for (const jobs::KindCounts& kind : process) {
            if (kind.runs > 0) queues.insert(kind.queue);
        }
    }
    return queues;
}

// Of how many of the processes that run jobs the figures of kinds are.
struct CountedOf {
    std::int64_t processes_counted = 0, processes = 0;
};
BOOST_DESCRIBE_STRUCT(CountedOf, (), (processes_counted, processes))

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

void jobs_stats_command(const Config& config, const std::vector<Module>& modules,
                        const JobsQuery& query) {
    const Counted counted = counted_by_servers(config, query);
    InDatabase found;
    {
        CommandSession session(config, modules);
        found = run_blocking(session.loops(),
                             stats_in(session.context(), query, queues_that_have_run(counted)));
    }
    const auto running = static_cast<std::int64_t>(found.processes.size());
    const std::int64_t counted_running =
        std::ranges::count_if(counted.processes, [&](const std::string& name) {
            return std::ranges::find(found.processes, name) != found.processes.end();
        });
    if (query.json) {
        const std::string of = to_json(CountedOf{counted_running, running});
        std::string all;
        for (const jobs::QueueStats& queue : found.queues) {
            all += all.empty() ? "" : ",";
            const auto kinds = to_json(jobs::kinds_of(queue.name, counted.by_process));
            all += joined(joined(to_json(queue), kinds), of);
        }
        print("[" + all + "]\n");
        return;
    }
    print_queues(found.queues);
    if (counted.by_process.empty() && running == 0) return;
    print(
        fmt::format("\nsince their start, {} of {} processes that run jobs (those of this data "
                    "folder):\n",
                    counted_running, running));
    print(fmt::format("{:<40} {:>8} {:>7} {:>7} {:>7} {:>7} {:>9} {:>9} {:>9} {:>9}\n", "KIND",
                      "RUNS", "FAILED", "RETRIED", "SNOOZED", "BURIED", "WAIT P50", "P99",
                      "RUN P50", "P99"));
    for (const jobs::QueueStats& queue : found.queues)
        print_kinds(queue.name, jobs::kinds_of(queue.name, counted.by_process));
}

}  // namespace loadstone::server::internal
