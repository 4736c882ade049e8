#include "loadstone/runtime/freshness.h"

#include <fmt/core.h>

#include <charconv>

namespace loadstone::runtime {

namespace {

template <class T>
bool read_hex(std::string_view text, T& value) noexcept {
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value, 16);
    return error == std::errc() && stop == end && !text.empty();
}

}  // namespace

std::string to_text(Position position) {
    return fmt::format("{:X}-{:X}", position.history, position.at);
}

std::optional<Position> position_from(std::string_view text) noexcept {
    const auto dash = text.find('-');
    Position position;
    if (dash == std::string_view::npos || !read_hex(text.substr(0, dash), position.history) ||
        !read_hex(text.substr(dash + 1), position.at)) {
        return std::nullopt;
    }
    return position;
}

}  // namespace loadstone::runtime
