#pragma once
// The command line of campus jobs.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "loadstone/server/internal/jobs_commands.h"

namespace CLI {
class App;
}

namespace loadstone::server::internal {

// What the command line says; outlives its parsing.
struct JobsArguments {
    JobsQuery query;
    RedriveQuery redrive;
    LimitQuery limit;
    ShareQuery share;
    WatchQuery watch;
    std::int64_t job = 0;
    bool is_workflow = false;
    std::string queue;
};

// Adds a command to `parent` with the settings that every command takes; `run` is called after
// those have been read.
using AddCommand = std::function<CLI::App*(CLI::App& parent, const std::string& name,
                                           const std::string& help, std::function<void()> run)>;

void add_jobs_commands(CLI::App& program, const AddCommand& add, const Config& config,
                       const std::vector<Module>& modules, JobsArguments& arguments);

}  // namespace loadstone::server::internal
