#pragma once

#include <string_view>

namespace loadstone::analytics::internal {

// [a-z0-9-]+ with .parquet or .csv, 100 bytes at most. Errors: invalid_argument.
void require_export_name(std::string_view name);

}  // namespace loadstone::analytics::internal
