#include "loadstone/net/internal/entity_tag.h"

#include <fmt/format.h>

#include "loadstone/base/sha256.h"
#include "loadstone/net/internal/text.h"

namespace loadstone::net::internal {

namespace {

// etagc of RFC 9110 8.8.3: visible or above ASCII, no quote.
constexpr bool is_etagc(char c) noexcept {
    return c != '"' && (is_visible(c) || static_cast<unsigned char>(c) >= 0x80);
}

std::string_view opaque(std::string_view tag) noexcept {
    if (tag.starts_with("W/")) tag.remove_prefix(2);
    return tag;
}

// The tag that `text` begins with; empty if it begins with none.
std::string_view first_tag(std::string_view text) noexcept {
    std::size_t at = text.starts_with("W/") ? 2 : 0;
    if (at >= text.size() || text[at] != '"') return {};
    ++at;
    while (at < text.size() && is_etagc(text[at])) ++at;
    if (at >= text.size() || text[at] != '"') return {};
    return text.substr(0, at + 1);
}

}  // namespace

std::string entity_tag_of(std::string_view body) {
    return fmt::format("W/\"{}\"", sha256_hex({body}).substr(0, 32));
}

bool is_named_by(std::string_view if_none_match, std::string_view tag) noexcept {
    std::string_view rest = trimmed(if_none_match);
    if (rest == "*") return true;
    bool is_named = false;
    while (!rest.empty()) {
        if (rest.front() != ',') {  // an empty element is allowed
            const std::string_view one = first_tag(rest);
            if (one.empty()) return false;
            is_named = is_named || opaque(one) == opaque(tag);
            rest = trimmed(rest.substr(one.size()));
            if (!rest.empty() && rest.front() != ',') return false;
        }
        if (!rest.empty()) rest = trimmed(rest.substr(1));
    }
    return is_named;
}

}  // namespace loadstone::net::internal
