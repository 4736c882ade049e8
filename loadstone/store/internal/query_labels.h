#pragma once
// The label of each named statement, looked up when it is first prepared on a connection.

#include <string_view>

#include "loadstone/store/statement.h"
#include "loadstone/telemetry/registry.h"

namespace loadstone::store::internal {

// "accounts.user_by_id" belongs to module "accounts".
inline telemetry::LabelIndex query_label(telemetry::Registry& registry, std::string_view name) {
    const auto dot = name.find('.');
    const auto module = dot == std::string_view::npos ? std::string_view() : name.substr(0, dot);
    return registry.add_label(telemetry::LabelKind::query, name, module);
}

}  // namespace loadstone::store::internal
