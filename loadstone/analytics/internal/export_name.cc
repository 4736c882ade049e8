#include "loadstone/analytics/internal/export_name.h"

#include <fmt/core.h>

#include <algorithm>

#include "loadstone/base/error.h"

namespace loadstone::analytics::internal {

namespace {

constexpr std::size_t name_bytes_max = 100;

bool is_export_name(std::string_view name) {
    const std::string_view stem = name.substr(0, name.find('.'));
    const auto is_of_stem = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    };
    const std::string_view ending = name.substr(stem.size());
    return !stem.empty() && name.size() <= name_bytes_max &&
           std::ranges::all_of(stem, is_of_stem) && (ending == ".parquet" || ending == ".csv");
}

}  // namespace

void require_export_name(std::string_view name) {
    if (!is_export_name(name))
        throw Error(Errc::invalid_argument, fmt::format("\"{}\" is no name of an export", name));
}

}  // namespace loadstone::analytics::internal
