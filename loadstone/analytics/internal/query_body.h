#pragma once
// The body of a `query` frame.

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "loadstone/store/value.h"

namespace loadstone::analytics::internal {

struct QueryBounds {
    std::chrono::milliseconds timeout{30'000};
    std::int64_t rows_max = 0, bytes_max = 0;
};

// Errors: invalid_argument for a value that is bytes.
std::string query_body(std::string_view text, std::span<const store::Value> values,
                       const QueryBounds& bounds);

}  // namespace loadstone::analytics::internal
