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

// The newest mails of the Maildir, oldest first.
void mail_command(const Config& config, int limit);
void why_command(const Config& config, bool since_start);
void settings_command(const std::vector<Setting>& settings, const std::string& program);
void operator_command(const Config& config, const std::vector<Module>& modules,
                      const module::OperatorCommand& command, std::string_view owner,
                      std::vector<std::string> arguments);

}  // namespace loadstone::server::internal
