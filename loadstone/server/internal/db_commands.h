#pragma once
// campus db ...: which statement is slow, and why. As commands.h says of all: each prints to stdout
// and throws Error. top, slow and explain ask the running servers of the data folder; explain,
// locks, bloat, connections and replicas ask the database itself, on a connection that cannot
// write.

#include <functional>
#include <string>
#include <vector>

#include "loadstone/server/config.h"
#include "loadstone/server/internal/jobs_command_line.h"

namespace loadstone::server::internal {

struct DbQuery {
    int limit = 30;
    std::string by = "total";  // order of top: total, calls, p99, rows, scanned
    std::string name;          // of explain
    std::vector<std::string> values;
    bool analyze = false;
    bool json = false;
};

void db_top_command(const Config& config, const DbQuery& query);
void db_slow_command(const Config& config, const DbQuery& query);
void db_explain_command(const Config& config, const DbQuery& query);
void db_locks_command(const Config& config, const DbQuery& query);
void db_bloat_command(const Config& config, const DbQuery& query);
void db_connections_command(const Config& config, const DbQuery& query);
void db_replicas_command(const Config& config, const DbQuery& query);

// `query` holds what the line says, until the command has run.
void add_db_commands(CLI::App& program, const AddCommand& add, const Config& config,
                     DbQuery& query);

}  // namespace loadstone::server::internal
