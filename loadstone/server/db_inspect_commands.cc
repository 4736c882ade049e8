// campus db locks, bloat, connections and replicas.

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "loadstone/base/json.h"
#include "loadstone/server/internal/admin_socket.h"
#include "loadstone/server/internal/command_session.h"
#include "loadstone/server/internal/db_commands.h"
#include "loadstone/server/internal/db_report.h"
#include "loadstone/server/internal/metric_table.h"
#include "loadstone/store/inspection.h"

namespace loadstone::store {

BOOST_DESCRIBE_STRUCT(LockWait, (),
                      (waiter, waiter_statement, holder, holder_state, holder_statement, lock,
                       waited_s, held_s))
BOOST_DESCRIBE_STRUCT(TableSpace, (),
                      (table, bytes, rows, dead_rows, scans_full, scans_index, last_vacuum,
                       last_analyze))
BOOST_DESCRIBE_STRUCT(IndexSpace, (), (index, table, bytes, scans, is_unique))
BOOST_DESCRIBE_STRUCT(FileSpace, (), (path, page_bytes, pages, free_pages, log_bytes))
BOOST_DESCRIBE_STRUCT(Space, (), (file, tables, indexes))
BOOST_DESCRIBE_STRUCT(ConnectionHolder, (), (name, declared))
BOOST_DESCRIBE_STRUCT(ServerConnections, (), (max, reserved, open, of_loadstone, holders))
BOOST_DESCRIBE_STRUCT(ReplicaState, (), (name, address, state, sync_state, lag_bytes, lag_s))
BOOST_DESCRIBE_STRUCT(Replication, (), (role, lag_s, replicas))

}  // namespace loadstone::store

namespace loadstone::server::internal {

namespace {

// Who has SQLite's write lock.
struct HolderLine {
    std::string process, program;
    bool is_server = false;  // one of `writers`
};
BOOST_DESCRIBE_STRUCT(HolderLine, (), (process, program, is_server))

struct LocksReport {
    std::vector<store::LockWait> waits;
    std::vector<WriterLine> writers;
    std::optional<HolderLine> holder;
    std::vector<SilentServer> silent;
};
BOOST_DESCRIBE_STRUCT(LocksReport, (), (waits, writers, holder, silent))

struct ReplicasReport {
    store::Replication replication;
    std::vector<ServerMetric> routing;
    std::vector<SilentServer> silent;
};
BOOST_DESCRIBE_STRUCT(ReplicasReport, (), (replication, routing, silent))

struct ConnectionsReport {
    store::ServerConnections server;
    std::vector<ServerMetric> processes;
    std::vector<SilentServer> silent;
};
BOOST_DESCRIBE_STRUCT(ConnectionsReport, (), (server, processes, silent))

bool is_sqlite(const Config& config) { return config.database.url.starts_with("sqlite:"); }

constexpr std::string_view replica_metrics[] = {"loadstone_store_replica_",
                                                "loadstone_postgres_replica_connections_"};
constexpr std::string_view connection_metrics[] = {
    "loadstone_postgres_connections_", "loadstone_postgres_replica_",
    "loadstone_postgres_transactions_", "loadstone_store_module_"};

// What their names are told without.
constexpr std::string_view replica_names[] = {"loadstone_store_replica_",
                                              "loadstone_postgres_replica_"};
constexpr std::string_view connection_names[] = {"loadstone_postgres_", "loadstone_store_module_"};

std::vector<ServerMetric> metrics_of_servers(const Config& config,
                                             std::span<const std::string_view> prefixes,
                                             std::vector<SilentServer>& silent) {
    std::vector<ServerMetric> metrics;
    const auto folder = (std::filesystem::path(config.data) / "run").string();
    for (const auto& answer : ask_servers(folder, "metrics")) {
        if (answer.is_silent)
            silent.push_back(silent_of(answer));
        else
            std::ranges::move(metrics_in(answer.process, answer.text, prefixes),
                              std::back_inserter(metrics));
    }
    return metrics;
}

void print_file(const store::FileSpace& file) {
    const auto megabytes = [](std::uint64_t bytes) { return static_cast<double>(bytes) / 1e6; };
    print(fmt::format("{}: {:.1f} MB, {:.1f} MB of it free pages; the log {:.1f} MB\n", file.path,
                      megabytes(file.pages * file.page_bytes),
                      megabytes(file.free_pages * file.page_bytes), megabytes(file.log_bytes)));
}

LocksReport locks_of_server(const Config& config) {
    LocksReport report;
    report.waits = store::open_inspection(config.database)->locks();
    return report;
}

LocksReport locks_of_file(const Config& config) {
    StatementReport known = ask_for_report(config.data);
    LocksReport report;
    report.writers = std::move(known.writers);
    report.silent = std::move(known.silent);
    const auto holder = store::write_lock_holder(config.database);
    if (!holder) return report;
    HolderLine& line = report.holder.emplace();
    line.process = std::to_string(holder->process);
    line.program = holder->program;
    line.is_server = std::ranges::find(report.writers, line.process, &WriterLine::process) !=
                     report.writers.end();
    return report;
}

std::string writer_text(const WriterLine& writer, const std::optional<HolderLine>& holder) {
    std::string who = "nobody writes";
    if (!writer.activity.empty())
        who = fmt::format("{} has the writer's turn since {} us", writer.activity, writer.since_us);
    else if (holder && holder->process == writer.process)
        who = "it begins or commits";
    else if (holder && writer.waiting > 0)
        who = "the file's write lock is another's";
    return fmt::format("process {}: {}, {} wait\n", writer.process, who, writer.waiting);
}

std::string holder_text(const HolderLine& holder) {
    return fmt::format("process {}{}, no server that answers here, has the file's write lock\n",
                       holder.process,
                       holder.program.empty() ? "" : fmt::format(" ({})", holder.program));
}

}  // namespace

void db_locks_command(const Config& config, const DbQuery& query) {
    require_access(config);
    const LocksReport report = is_sqlite(config) ? locks_of_file(config) : locks_of_server(config);
    if (query.json) {
        print(to_json(report) + "\n");
        return;
    }
    for (const WriterLine& writer : report.writers) print(writer_text(writer, report.holder));
    if (report.holder && !report.holder->is_server) print(holder_text(*report.holder));
    for (const store::LockWait& wait : report.waits) {
        print(
            fmt::format("{} waits {:.1f}s for {}\n    {}\n  {} has it, {}, its transaction is "
                        "{:.1f}s old\n    {}\n",
                        wait.waiter, wait.waited_s, wait.lock, wait.waiter_statement, wait.holder,
                        wait.holder_state, wait.held_s, wait.holder_statement));
    }
    if (report.waits.empty() && report.writers.empty()) print("nobody waits for a lock\n");
    print(silent_text(report.silent));
}

void db_bloat_command(const Config& config, const DbQuery& query) {
    require_access(config);
    const store::Space space = store::open_inspection(config.database)->space();
    if (query.json) {
        print(to_json(space) + "\n");
        return;
    }
    if (space.file) {
        print_file(*space.file);
        return;
    }
    print(fmt::format("{:<40} {:>12} {:>10} {:>10} {:>10} {:>10} {:<21} {}\n", "TABLE", "BYTES",
                      "ROWS", "DEAD", "SCANNED", "BY INDEX", "VACUUMED", "ANALYZED"));
    for (const store::TableSpace& table : space.tables) {
        print(fmt::format("{:<40} {:>12} {:>10} {:>10} {:>10.0f} {:>10.0f} {:<21} {}\n",
                          table.table, table.bytes, table.rows, table.dead_rows, table.scans_full,
                          table.scans_index, table.last_vacuum, table.last_analyze));
    }
    print("\nIndexes that no statement has used since the statistics began, largest first:\n");
    for (const store::IndexSpace& index : space.indexes) {
        if (index.scans > 0 || index.is_unique) continue;
        print(fmt::format("{:<40} {:>12} on {}\n", index.index, index.bytes, index.table));
    }
}

void db_connections_command(const Config& config, const DbQuery& query) {
    require_access(config);
    ConnectionsReport report;
    if (!is_sqlite(config)) report.server = store::open_inspection(config.database)->connections();
    report.processes = metrics_of_servers(config, connection_metrics, report.silent);
    if (query.json) {
        print(to_json(report) + "\n");
        return;
    }
    const store::ServerConnections& server = report.server;
    if (is_sqlite(config)) {
        print("SQLite has no connections to share\n");
    } else {
        print(
            fmt::format("{} of {} connections are open, {} of them of servers like this one; {} "
                        "are reserved for superusers\n",
                        server.open, server.max, server.of_loadstone, server.reserved));
        for (const store::ConnectionHolder& holder : server.holders)
            print(fmt::format("  {} may have {}\n", holder.name, holder.declared));
    }
    print(table_of(report.processes, connection_names) + silent_text(report.silent));
}

void db_replicas_command(const Config& config, const DbQuery& query) {
    require_access(config);
    ReplicasReport report;
    report.replication = store::open_inspection(config.database)->replication();
    report.routing = metrics_of_servers(config, replica_metrics, report.silent);
    if (query.json) {
        print(to_json(report) + "\n");
        return;
    }
    const store::Replication& replication = report.replication;
    if (replication.role == "standby") {
        print(fmt::format("a standby; its last transaction is {:.1f}s old\n", replication.lag_s));
    } else {
        print(replication.replicas.empty() ? "no replicas\n" : "the primary of:\n");
    }
    for (const store::ReplicaState& replica : replication.replicas) {
        print(fmt::format("  {} at {}: {}, {}, {} bytes and {:.3f}s behind\n", replica.name,
                          replica.address, replica.state, replica.sync_state, replica.lag_bytes,
                          replica.lag_s));
    }
    print(table_of(report.routing, replica_names) + silent_text(report.silent));
}

}  // namespace loadstone::server::internal
