#include "campus/dashboards/fresh.h"

#include <fmt/core.h>

#include <chrono>

#include "loadstone/base/sha256.h"
#include "loadstone/runtime/context.h"

namespace campus::dashboards {

using namespace loadstone;

void set_headers(std::vector<std::pair<std::string, std::string>>& headers, std::string_view body,
                 Timestamp as_of) {
    headers.emplace_back("ETag", fmt::format("W/\"{}\"", sha256_hex({body}).substr(0, 32)));
    headers.emplace_back("Loadstone-As-Of", to_rfc3339(as_of));
}

Timestamp shown_as_of(const Context& context, Timestamp as_of) {
    const auto& stale = context.reading().stale();
    if (!stale) return as_of;
    return as_of - std::chrono::ceil<std::chrono::microseconds>(*stale);
}

}  // namespace campus::dashboards
