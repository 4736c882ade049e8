#include "loadstone/base/internal/json_message.h"

#include <fmt/core.h>

#include <cstdint>
#include <limits>

#include "loadstone/base/internal/utf8.h"

namespace loadstone::internal {

std::string quoted_part(std::string_view text) {
    constexpr std::size_t bytes_max = 48;
    std::string part(utf8_prefix(text, bytes_max));
    if (part.size() < text.size()) part += "...";
    return part;
}

std::string_view expectation(const TypeInfo& type) noexcept {
    switch (type.kind) {
        case TypeKind::boolean: return "true or false";
        case TypeKind::integer: return "an integer";
        case TypeKind::real: return "a number";
        case TypeKind::text: return "text";
        case TypeKind::bytes: return "base64 text";
        case TypeKind::timestamp: return "a time such as \"2026-01-31T12:00:00Z\"";
        case TypeKind::optional: return expectation(type.element());
        case TypeKind::list: return "a list";
        case TypeKind::record: return "an object";
    }
    return "a value";
}

std::string integer_range(const TypeInfo& type) {
    const auto bits = static_cast<unsigned>(type.size * 8);
    const std::uint64_t max = std::numeric_limits<std::uint64_t>::max() >> (64 - bits);
    if (!type.is_signed) return fmt::format("an integer from 0 to {}", max);
    const auto signed_max = static_cast<std::int64_t>(max >> 1);
    return fmt::format("an integer from {} to {}", -signed_max - 1, signed_max);
}

}  // namespace loadstone::internal
