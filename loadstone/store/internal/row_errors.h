#pragma once
// The words for a row that is not what the program expects.

#include <string_view>

#include "loadstone/store/row.h"

namespace loadstone::store::internal {

// data_loss: for a backend's Row when a column holds another type than was asked for.
[[noreturn]] void throw_wrong_type(const Row& row, int column, std::string_view asked,
                                   std::string_view found);

}  // namespace loadstone::store::internal
