#pragma once
// Small pieces of the grammars of RFC 9110 5.6.

#include <array>
#include <string_view>

namespace loadstone::net::internal {

constexpr char to_lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}
constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr bool is_alpha(char c) noexcept { return to_lower(c) >= 'a' && to_lower(c) <= 'z'; }
// Visible ASCII.
constexpr bool is_visible(char c) noexcept { return c > 0x20 && c < 0x7f; }
// C0 and DEL; a byte of UTF-8 above ASCII is none.
constexpr bool is_control(char c) noexcept {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

inline constexpr auto token_characters = [] {
    std::array<bool, 256> table{};
    for (int c = 0; c < 256; ++c) {
        const char character = static_cast<char>(c);
        const bool listed =
            std::string_view("!#$%&'*+-.^_`|~").find(character) != std::string_view::npos;
        table[static_cast<std::size_t>(c)] =
            c < 128 && c != 0 && (is_digit(character) || is_alpha(character) || listed);
    }
    return table;
}();
constexpr bool is_token(char c) noexcept { return token_characters[static_cast<unsigned char>(c)]; }
constexpr bool is_token(std::string_view text) noexcept {
    for (const char c : text) {
        if (!is_token(c)) return false;
    }
    return !text.empty();
}

constexpr bool same_ignoring_case(std::string_view a, std::string_view b) noexcept {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (to_lower(a[i]) != to_lower(b[i])) return false;
    }
    return true;
}
constexpr bool starts_with_ignoring_case(std::string_view text, std::string_view prefix) noexcept {
    return text.size() >= prefix.size() &&
           same_ignoring_case(text.substr(0, prefix.size()), prefix);
}

// Without spaces and tabs at both ends.
constexpr std::string_view trimmed(std::string_view text) noexcept {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

// The value of a hexadecimal digit, -1 for anything else.
constexpr int hex_value(char c) noexcept {
    if (is_digit(c)) return c - '0';
    const char lower = to_lower(c);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace loadstone::net::internal
