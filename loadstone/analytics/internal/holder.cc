#include "loadstone/analytics/internal/holder.h"

#include <fmt/core.h>
#include <unistd.h>

namespace loadstone::analytics::internal {

std::string holder_of(const Options& options) {
    if (!options.store.empty()) return {};
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    return fmt::format("{}:{}", host, options.folder);
}

}  // namespace loadstone::analytics::internal
