#include "loadstone/store/reader.h"

#include <fmt/core.h>

#include "loadstone/base/error.h"

namespace loadstone::store::internal {

void throw_not_found(std::string_view statement) {
    throw Error(Errc::not_found, fmt::format("{}: no such row", statement));
}

void throw_too_many(std::string_view statement, std::size_t rows_max) {
    throw Error(Errc::internal, fmt::format("{}: more than {} rows; a result of this size is "
                                            "streamed with each() or read in pages",
                                            statement, rows_max));
}

}  // namespace loadstone::store::internal
