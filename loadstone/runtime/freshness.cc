#include "loadstone/runtime/freshness.h"

#include <array>
#include <charconv>

namespace loadstone::runtime {

namespace {

template <class T>
bool read_hex(std::string_view text, T& value) noexcept {
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value, 16);
    return error == std::errc() && stop == end && !text.empty();
}

void append_hex(std::string& out, std::uint64_t value) {
    std::array<char, 16> digits{};
    char* const end = std::to_chars(digits.data(), digits.data() + digits.size(), value, 16).ptr;
    for (const char* digit = digits.data(); digit != end; ++digit)
        out += *digit >= 'a' ? static_cast<char>(*digit - 'a' + 'A') : *digit;
}

}  // namespace

// By hand: it goes out with most reads, and fmt parses its format each time.
std::string to_text(Position position) {
    std::string text;
    append_hex(text, position.history);
    text += '-';
    append_hex(text, position.at);
    return text;
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
