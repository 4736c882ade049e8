#pragma once
// campus views ...: what aggregates keep, compared with the rows that it is of.

#include <string>
#include <vector>

#include "loadstone/server/config.h"
#include "loadstone/server/internal/jobs_command_line.h"

namespace loadstone::server::internal {

struct ViewsQuery {
    std::string name;  // of an aggregate; empty: all
    bool rebuild = false;
    bool json = false;
};

// Prints what differs. Errors: not_found for an unknown name; conflict if something differs and is
// not mended, so that the program's status is 1.
void verify_views_command(const Config& config, const std::vector<Module>& modules,
                          const ViewsQuery& query);

// `query` holds what the line says, until the command has run.
void add_views_commands(CLI::App& program, const AddCommand& add, const Config& config,
                        const std::vector<Module>& modules, ViewsQuery& query);

}  // namespace loadstone::server::internal
