#include "loadstone/outbound/internal/mail_address.h"

#include <fmt/format.h>

#include <algorithm>

#include "loadstone/base/encoding.h"
#include "loadstone/base/error.h"

namespace loadstone::outbound::internal {

namespace {

constexpr std::size_t local_bytes_max = 64;  // RFC 5321 4.5.3.1.1

bool is_alnum(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}
bool is_high(char c) noexcept { return static_cast<unsigned char>(c) >= 0x80; }

bool is_atom(char c) noexcept {
    constexpr std::string_view others = "!#$%&'*+-/=?^_`{|}~";
    return is_alnum(c) || is_high(c) || others.find(c) != std::string_view::npos;
}

// One or more parts of `is_part`, joined by single dots.
template <class IsPart>
bool is_dotted(std::string_view text, IsPart is_part) noexcept {
    bool empty = true;
    for (const char c : text) {
        if (c == '.') {
            if (empty) return false;
            empty = true;
        } else if (is_part(c)) {
            empty = false;
        } else {
            return false;
        }
    }
    return !empty;
}

bool is_domain(std::string_view domain) noexcept {
    if (domain.starts_with('[') && domain.ends_with(']') && domain.size() > 2) {
        return std::ranges::all_of(domain.substr(1, domain.size() - 2),
                                   [](char c) { return is_alnum(c) || c == '.' || c == ':'; });
    }
    return is_dotted(domain, [](char c) { return is_alnum(c) || is_high(c) || c == '-'; });
}

std::string_view trimmed(std::string_view text) noexcept {
    while (text.starts_with(' ')) text.remove_prefix(1);
    while (text.ends_with(' ')) text.remove_suffix(1);
    return text;
}

std::string unquoted(std::string_view name) {
    if (name.size() < 2 || name.front() != '"' || name.back() != '"') return std::string(name);
    std::string out;
    for (std::size_t i = 1; i + 1 < name.size(); ++i) {
        if (name[i] == '\\' && i + 2 < name.size()) ++i;
        out += name[i];
    }
    return out;
}

}  // namespace

bool is_ascii(std::string_view text) noexcept { return std::ranges::none_of(text, is_high); }

std::string_view address_fault(std::string_view address) noexcept {
    if (address.empty()) return "is empty";
    if (address.size() > address_bytes_max) return "is longer than 254 bytes";
    if (!is_utf8(address)) return "is not UTF-8";
    if (!is_printable(address)) return "has a control character";
    const std::size_t at = address.rfind('@');
    if (at == std::string_view::npos) return "has no @";
    if (at > local_bytes_max) return "has more than 64 bytes before the @";
    if (!is_dotted(address.substr(0, at), is_atom)) return "has a bad part before the @";
    if (!is_domain(address.substr(at + 1))) return "has a bad domain";
    return {};
}

void require_address(std::string_view address, std::string_view field) {
    const std::string_view fault = address_fault(address);
    if (fault.empty()) return;
    throw Error(Errc::invalid_argument, fmt::format("mail address {}", fault))
        .with_field(std::string(field));
}

Mailbox parse_mailbox(std::string_view text, std::string_view field) {
    Mailbox mailbox;
    text = trimmed(text);
    const std::size_t open = text.rfind('<');
    if (open != std::string_view::npos && text.ends_with('>')) {
        mailbox.name = unquoted(trimmed(text.substr(0, open)));
        text = text.substr(open + 1, text.size() - open - 2);
    }
    mailbox.address = text;
    require_address(mailbox.address, field);
    if (!is_printable(mailbox.name)) {
        throw Error(Errc::invalid_argument, "mail name has a control character or is not UTF-8")
            .with_field(std::string(field));
    }
    return mailbox;
}

}  // namespace loadstone::outbound::internal
