#pragma once
// The commands of the command line, other than serve. Each prints to stdout and throws Error.
// Those that read the database neither make it nor change its schema: unavailable if it is not up
// to date.

#include <cstdint>
#include <string>
#include <vector>

#include "loadstone/module/module.h"
#include "loadstone/server/config.h"

namespace loadstone::server::internal {

void migrate_command(const Config& config, const std::vector<Module>& modules, bool plan_only);

struct JobsQuery {
    std::string state, kind, queue;
    std::int64_t before = 0;
    int limit = 50;
    bool json = false;
};
void list_jobs_command(const Config& config, const std::vector<Module>& modules,
                       const JobsQuery& query);
void show_job_command(const Config& config, const std::vector<Module>& modules, std::int64_t id,
                      bool json);
void retry_job_command(const Config& config, const std::vector<Module>& modules, std::int64_t id);
void cancel_job_command(const Config& config, const std::vector<Module>& modules, std::int64_t id);
struct RedriveQuery {
    std::string kind, queue, error;  // empty: all
    std::int64_t rate = 0;           // jobs a second; 0: as fast as it goes
};
void redrive_command(const Config& config, const std::vector<Module>& modules,
                     const RedriveQuery& query);
void pause_command(const Config& config, const std::vector<Module>& modules,
                   const std::string& queue, bool is_paused);
void jobs_stats_command(const Config& config, const std::vector<Module>& modules, bool json);
void why_job_command(const Config& config, const std::vector<Module>& modules, std::int64_t id);

// The newest mails of the Maildir, oldest first.
void mail_command(const Config& config, int limit);
void why_command(const Config& config, bool since_start);
void settings_command(const std::vector<Setting>& settings, const std::string& program);
void operator_command(const Config& config, const std::vector<Module>& modules,
                      const module::OperatorCommand& command, std::vector<std::string> arguments);

}  // namespace loadstone::server::internal
