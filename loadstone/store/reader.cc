#include "loadstone/store/reader.h"

#include <fmt/core.h>

#include "loadstone/base/error.h"

namespace loadstone::store::internal {

void throw_not_found(std::string_view statement) {
    throw Error(Errc::not_found, fmt::format("{}: no such row", statement));
}

}  // namespace loadstone::store::internal
