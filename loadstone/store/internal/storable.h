#pragma once
// What no database takes, refused before it is sent.

#include <span>
#include <string_view>

#include "loadstone/store/value.h"

namespace loadstone::store::internal {

// invalid_argument for text with U+0000: PostgreSQL has no place for it, and SQLite's functions end
// at it.
void require_storable(std::string_view statement, std::span<const Value> values);

}  // namespace loadstone::store::internal
