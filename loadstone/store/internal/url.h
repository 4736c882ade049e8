#pragma once
// Database URLs: which backend, and what may be shown of them.

#include <string>
#include <string_view>

#include "loadstone/store/database.h"

namespace loadstone::store::internal {

// Errors: invalid_argument, field "database".
Dialect dialect_of(std::string_view url);
// "sqlite:PATH" or "sqlite:///ABSOLUTE".
std::string sqlite_path(std::string_view url);

}  // namespace loadstone::store::internal
