#include <CLI/CLI.hpp>

#include "loadstone/server/internal/db_commands.h"

namespace loadstone::server::internal {

void add_db_commands(CLI::App& program, const AddCommand& add, const Config& config,
                     DbQuery& query) {
    CLI::App* db = program.add_subcommand(
        "db", "Statements that take the time, plans, locks, space, connections, replicas");
    db->require_subcommand(1);
    const auto command = [&](const std::string& name, const std::string& help,
                             void (*run)(const Config&, const DbQuery&)) {
        CLI::App* made = add(*db, name, help, [&config, &query, run] { run(config, query); });
        made->add_flag("--json", query.json, "as JSON");
        return made;
    };
    CLI::App* top = command("top", "Each statement in each route and job of the running servers",
                            db_top_command);
    top->add_option("--by", query.by, "total, calls, p99, rows or scanned")
        ->check(CLI::IsMember({"total", "calls", "p99", "rows", "scanned"}))
        ->capture_default_str();
    CLI::App* slow = command("slow", "The slowest executions of late, with where they were called",
                             db_slow_command);
    for (CLI::App* list : {top, slow}) {
        list->add_option("--limit", query.limit, "how many")
            ->check(CLI::Range(1, 100'000))
            ->capture_default_str();
    }
    CLI::App* explain =
        command("explain", "A statement's plan, and what it was before", db_explain_command);
    explain->add_option("name", query.name, "its name, as in `db top`")->required();
    explain->add_option("values", query.values, "of its parameters, in order");
    explain->add_flag("--analyze", query.analyze, "run it, if it reads, for the real rows");
    command("locks", "Who waits for whom", db_locks_command);
    command("bloat", "Dead rows, unused indexes, free pages, the log", db_bloat_command);
    command("connections", "Who may have how many of the server's connections",
            db_connections_command);
    command("replicas", "The database's role, its replicas and their lag", db_replicas_command);
}

}  // namespace loadstone::server::internal
