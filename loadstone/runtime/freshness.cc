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

// Before `end`; gives where it begins.
char* write_hex(char* end, std::uint64_t value) noexcept {
    do {
        *--end = "0123456789ABCDEF"[value & 0xFU];
        value >>= 4U;
    } while (value != 0);
    return end;
}

}  // namespace

// By hand: it goes out with most reads, and fmt parses its format each time.
void append_text(std::string& out, Position position) {
    std::array<char, 8 + 1 + 16> text;
    char* const end = text.data() + text.size();
    char* begin = write_hex(end, position.at);
    *--begin = '-';
    begin = write_hex(begin, position.history);
    out.append(begin, end);
}

std::string to_text(Position position) {
    std::string text;
    append_text(text, position);
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
