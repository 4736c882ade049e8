#pragma once
// campus jobs ...: what each command does, without the command line itself
// (jobs_command_line.h). As commands.h says of all: each prints to stdout and throws Error.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loadstone/base/timestamp.h"
#include "loadstone/module/module.h"
#include "loadstone/server/config.h"

namespace loadstone::server::internal {

struct JobsQuery {
    std::string state, kind, queue, tenant, partition, error;
    std::int64_t before = 0;
    int limit = 50;
    bool json = false;
};
void list_jobs_command(const Config& config, const std::vector<Module>& modules,
                       const JobsQuery& query);
void show_job_command(const Config& config, const std::vector<Module>& modules, std::int64_t id,
                      bool json);
void retry_job_command(const Config& config, const std::vector<Module>& modules, std::int64_t id,
                       bool json);
void cancel_job_command(const Config& config, const std::vector<Module>& modules, std::int64_t id,
                        bool json);
// All of a workflow or batch.
void cancel_workflow_command(const Config& config, const std::vector<Module>& modules,
                             std::int64_t id, bool json);
struct RedriveQuery {
    std::string kind, queue, error;  // empty: all
    std::int64_t rate = 0;           // jobs a second; 0: as fast as it goes
    bool json = false;
};
void redrive_command(const Config& config, const std::vector<Module>& modules,
                     const RedriveQuery& query);
void pause_command(const Config& config, const std::vector<Module>& modules,
                   const std::string& queue, bool is_paused, bool json);
// Of the query its queue and kind count.
void jobs_stats_command(const Config& config, const std::vector<Module>& modules,
                        const JobsQuery& query);
void why_job_command(const Config& config, const std::vector<Module>& modules, std::int64_t id,
                     bool json);

// Without anything to set it shows the limit.
struct LimitQuery {
    std::string name;
    std::optional<int> running;
    std::optional<double> per_second;
    std::optional<int> burst;
    bool is_reset = false;
    bool json = false;
};
void limit_command(const Config& config, const std::vector<Module>& modules,
                   const LimitQuery& query);
void limits_command(const Config& config, const std::vector<Module>& modules, bool json);

// Without anything to set it shows the weight.
struct ShareQuery {
    std::string tenant;
    std::optional<double> weight;
    bool is_reset = false;
    bool json = false;
};
void share_command(const Config& config, const std::vector<Module>& modules,
                   const ShareQuery& query);
void schedules_command(const Config& config, const std::vector<Module>& modules, bool json);

struct WatchQuery {
    std::string queue, kind;  // empty: all
    int times = 0;            // looks, one a second; 0: until it is stopped
    bool json = false;
};
// Live in a terminal, else lines.
void watch_jobs_command(const Config& config, const std::vector<Module>& modules,
                        const WatchQuery& query);

// Two JSON objects as one.
std::string joined(std::string one, std::string_view other);
// "12s ago", "in 3s".
std::string age_text(Timestamp time);

}  // namespace loadstone::server::internal
