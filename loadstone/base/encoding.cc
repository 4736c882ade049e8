#include "loadstone/base/encoding.h"

#include <array>
#include <cstdint>

#include "loadstone/base/internal/utf8.h"

namespace loadstone {

namespace {

constexpr std::string_view base64_digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view base64url_digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

constexpr std::uint8_t not_a_digit = 0xFF;

constexpr std::array<std::uint8_t, 256> base64_values = [] {
    std::array<std::uint8_t, 256> values{};
    values.fill(not_a_digit);
    for (std::size_t i = 0; i < base64_digits.size(); ++i) {
        values[static_cast<unsigned char>(base64_digits[i])] = static_cast<std::uint8_t>(i);
    }
    return values;
}();

void append(std::string& out, std::span<const std::byte> bytes, std::string_view digits,
            bool is_padded) {
    const std::size_t rest = bytes.size() % 3;
    const std::size_t whole = bytes.size() - rest;
    const std::size_t tail = rest == 0 ? 0 : is_padded ? 4 : rest + 1;
    std::size_t at = out.size();
    out.resize(at + whole / 3 * 4 + tail);
    const auto byte = [&](std::size_t i) { return std::to_integer<std::uint32_t>(bytes[i]); };
    for (std::size_t i = 0; i < whole; i += 3) {
        const std::uint32_t group = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
        out[at++] = digits[group >> 18];
        out[at++] = digits[group >> 12 & 63];
        out[at++] = digits[group >> 6 & 63];
        out[at++] = digits[group & 63];
    }
    if (rest == 0) return;
    const std::uint32_t group = byte(whole) << 16 | (rest == 2 ? byte(whole + 1) << 8 : 0);
    out[at++] = digits[group >> 18];
    out[at++] = digits[group >> 12 & 63];
    if (rest == 2) out[at++] = digits[group >> 6 & 63];
    while (at < out.size()) out[at++] = '=';
}

}  // namespace

void append_base64(std::string& out, std::span<const std::byte> bytes) {
    append(out, bytes, base64_digits, true);
}

std::string to_base64(std::span<const std::byte> bytes) {
    std::string out;
    append(out, bytes, base64_digits, true);
    return out;
}

std::string to_base64url(std::span<const std::byte> bytes) {
    std::string out;
    append(out, bytes, base64url_digits, false);
    return out;
}

std::optional<std::vector<std::byte>> from_base64(std::string_view text) {
    if (text.size() % 4 != 0) return std::nullopt;
    std::size_t padding = 0;
    while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') {
        ++padding;
    }
    text.remove_suffix(padding);
    std::vector<std::byte> bytes;
    bytes.reserve(text.size() / 4 * 3 + 2);
    std::uint32_t group = 0;
    unsigned bits = 0;
    for (const char digit : text) {
        const std::uint8_t value = base64_values[static_cast<unsigned char>(digit)];
        if (value == not_a_digit) return std::nullopt;
        group = group << 6 | value;
        bits += 6;
        if (bits < 8) continue;
        bits -= 8;
        bytes.push_back(static_cast<std::byte>(group >> bits & 0xFF));
    }
    if ((group & ((1U << bits) - 1)) != 0) return std::nullopt;
    return bytes;
}

std::string to_hex(std::span<const std::byte> bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out;
    out.reserve(bytes.size() * 2);
    for (const std::byte byte : bytes) {
        out += digits[std::to_integer<std::size_t>(byte >> 4)];
        out += digits[std::to_integer<std::size_t>(byte & std::byte{15})];
    }
    return out;
}

bool is_utf8(std::string_view text) noexcept {
    return internal::utf8_valid_bytes(text) == text.size();
}

namespace {

// How many bytes at the front of `text` are one unprintable character; 0 if it is printable.
std::size_t unprintable_bytes(std::string_view text) noexcept {
    const auto at = [text](std::size_t i) {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
    };
    if (at(0) < 0x20 || at(0) == 0x7F) return 1;
    if (at(0) == 0xC2 && at(1) >= 0x80 && at(1) <= 0x9F) return 2;  // C1
    if (at(0) == 0xE2 && at(1) == 0x80) {
        // U+200B zero width space; U+2028 to U+202E: separators, embeddings, overrides
        if (at(2) == 0x8B || (at(2) >= 0xA8 && at(2) <= 0xAE)) return 3;
    }
    if (at(0) == 0xE2 && at(1) == 0x81 && at(2) >= 0xA6 && at(2) <= 0xA9) return 3;  // isolates
    if (at(0) == 0xEF && at(1) == 0xBB && at(2) == 0xBF) return 3;                   // U+FEFF
    return 0;
}

}  // namespace

bool is_printable(std::string_view text) noexcept {
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (unprintable_bytes(text.substr(i)) > 0) return false;
    }
    return is_utf8(text);
}

std::string printable(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const std::size_t bytes = unprintable_bytes(text);
        const bool kept = bytes == 0 || text.front() == '\n' || text.front() == '\t';
        out += kept ? text.front() : '?';
        text.remove_prefix(kept ? 1 : bytes);
    }
    return out;
}

}  // namespace loadstone
