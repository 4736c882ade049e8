#pragma once
// Text encodings: base64 (RFC 4648 4 and 5), hex, UTF-8 validity. Sizes are in bytes.

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace loadstone {

// RFC 4648 4, padded.
std::string to_base64(std::span<const std::byte> bytes);
void append_base64(std::string& out, std::span<const std::byte> bytes);
// Accepts exactly what to_base64 writes: padded, without line breaks, unused bits zero.
std::optional<std::vector<std::byte>> from_base64(std::string_view text);
std::string to_base64url(std::span<const std::byte> bytes);  // RFC 4648 5, unpadded
std::string to_hex(std::span<const std::byte> bytes);        // lower case
// No overlong forms, surrogates or values above U+10FFFF.
bool is_utf8(std::string_view text) noexcept;
// UTF-8 that is safe on a terminal and in one line: no control characters (C0, DEL, C1), line or
// paragraph separators, or characters that reorder or are invisible by themselves.
bool is_printable(std::string_view text) noexcept;
// `text` with what is not printable, but for line breaks and tabs, as '?'.
std::string printable(std::string_view text);

inline std::span<const std::byte> as_bytes(std::string_view text) noexcept {
    return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace loadstone
