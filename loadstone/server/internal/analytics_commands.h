#pragma once
// campus analytics ...: the column store. As commands.h says of all: each prints to stdout and
// throws Error. status and query ask the running server and its store; rebuild and verify ask the
// server that has the store, through the database, and show how far it is.

#include <string>
#include <vector>

#include "loadstone/analytics/feed.h"
#include "loadstone/analytics/work.h"
#include "loadstone/module/module.h"
#include "loadstone/server/config.h"
#include "loadstone/server/internal/jobs_command_line.h"

namespace loadstone::server::internal {

struct AnalyticsQuery {
    std::vector<std::string> facts;  // of rebuild and verify; none: all that have a back-fill
    std::string text;                // of query
    int rows_max = 1'000;
    int timeout_s = 30;
    bool no_wait = false;
    bool json = false;
};

void analytics_status_command(const Config& config, const std::vector<Module>& modules,
                              const AnalyticsQuery& query);
void analytics_query_command(const Config& config, const std::vector<Module>& modules,
                             const AnalyticsQuery& query);
void analytics_rebuild_command(const Config& config, const std::vector<Module>& modules,
                               const AnalyticsQuery& query);
// data_loss if anything differs.
void analytics_verify_command(const Config& config, const std::vector<Module>& modules,
                              const AnalyticsQuery& query);

// `query` holds what the line says, until the command has run.
void add_analytics_commands(CLI::App& program, const AddCommand& add, const Config& config,
                            const std::vector<Module>& modules, AnalyticsQuery& query);

}  // namespace loadstone::server::internal
