#include "loadstone/analytics/internal/spawn.h"

#include <filesystem>
#include <utility>

namespace loadstone::analytics::internal {

namespace {

std::string program_of(const Options& options) {
    if (!options.program.empty()) return options.program;
    std::error_code failed;
    const auto own = std::filesystem::read_symlink("/proc/self/exe", failed);
    return (own.parent_path() / "loadstone-duckdb").string();
}

}  // namespace

Child spawn_duckdb(const Options& options, std::vector<std::string> arguments, int file) {
    const std::string program = program_of(options);
    arguments.insert(arguments.begin(), program);
    return spawn_child(program, std::move(arguments), file);
}

}  // namespace loadstone::analytics::internal
