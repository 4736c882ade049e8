#pragma once
// The words in which reading JSON says what it expected and what it got.

#include <string>
#include <string_view>

#include "loadstone/base/type_info.h"

namespace loadstone::internal {

// "an integer", "true or false"
std::string_view expectation(const TypeInfo& type) noexcept;
// "an integer from 0 to 255"
std::string integer_range(const TypeInfo& type);
// A name or a number of the caller, cut to 48 bytes and "...".
std::string quoted_part(std::string_view text);

}  // namespace loadstone::internal
