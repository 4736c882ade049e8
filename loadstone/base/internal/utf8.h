#pragma once
// UTF-8 by the byte ranges of Unicode 15 table 3-7: no overlong forms, no surrogates, nothing
// above U+10FFFF.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace loadstone::internal {

struct Utf8Step {
    std::size_t bytes;  // 1..4; of an invalid sequence its longest prefix that could be a start
    bool is_valid;
};

// The sequence that starts at `text`, of which `left` > 0 bytes may be looked at.
inline Utf8Step utf8_step(const char* text, std::size_t left) noexcept {
    const auto lead = static_cast<unsigned char>(text[0]);
    if (lead < 0x80) return {1, true};
    if (lead < 0xC2 || lead > 0xF4) return {1, false};
    const std::size_t bytes = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    unsigned low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    unsigned high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    for (std::size_t i = 1; i < bytes; ++i) {
        if (i == left) return {i, false};
        const auto byte = static_cast<unsigned char>(text[i]);
        if (byte < low || byte > high) return {i, false};
        low = 0x80;
        high = 0xBF;
    }
    return {bytes, true};
}

// How many leading bytes of `text` are valid; text.size() if all are.
inline std::size_t utf8_valid_bytes(std::string_view text) noexcept {
    std::size_t at = 0;
    while (at < text.size()) {
        if (text.size() - at >= 8) {
            std::uint64_t word;
            std::memcpy(&word, text.data() + at, 8);
            if ((word & 0x8080808080808080U) == 0) {
                at += 8;
                continue;
            }
        }
        const Utf8Step step = utf8_step(text.data() + at, text.size() - at);
        if (!step.is_valid) break;
        at += step.bytes;
    }
    return at;
}

// `text` cut to at most `bytes_max` bytes, never within a sequence of valid UTF-8.
inline std::string_view utf8_prefix(std::string_view text, std::size_t bytes_max) noexcept {
    if (text.size() <= bytes_max) return text;
    std::size_t end = bytes_max;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
    return text.substr(0, end);
}

}  // namespace loadstone::internal
