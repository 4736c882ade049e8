#include "loadstone/net/check.h"

#include <fmt/format.h>

#include <algorithm>

#include "loadstone/base/encoding.h"
#include "loadstone/net/internal/text.h"

namespace loadstone::net {

namespace {

// Of UTF-8, which bodies are.
std::size_t code_points(std::string_view text) noexcept {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
        return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    }));
}

// Labels of letters, digits and hyphens, of which there are two at least; or "localhost".
bool is_mail_domain(std::string_view domain) noexcept {
    if (domain == "localhost") return true;
    bool has_dot = false;
    while (true) {
        const auto dot = domain.find('.');
        const std::string_view label = domain.substr(0, dot);
        if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-')
            return false;
        for (const char c : label) {
            const bool is_ascii = static_cast<unsigned char>(c) < 0x80;
            if (is_ascii && !internal::is_alpha(c) && !internal::is_digit(c) && c != '-')
                return false;
        }
        if (dot == std::string_view::npos) return has_dot;
        has_dot = true;
        domain.remove_prefix(dot + 1);
    }
}

// RFC 5321 4.1.2 without quoted local parts; UTF-8 is allowed (RFC 6531).
bool is_mail_address(std::string_view text) noexcept {
    const auto at = text.find('@');
    if (at == std::string_view::npos || text.size() > 254 || !is_printable(text)) return false;
    const std::string_view local = text.substr(0, at);
    if (local.empty() || local.size() > 64 || local.front() == '.' || local.back() == '.' ||
        local.find("..") != std::string_view::npos) {
        return false;
    }
    for (const char c : local) {
        const bool is_ascii = static_cast<unsigned char>(c) < 0x80;
        if (is_ascii && !internal::is_token(c) && c != '/' && c != '=' && c != '?' && c != '{' &&
            c != '}') {
            return false;
        }
    }
    return is_mail_domain(text.substr(at + 1));
}

}  // namespace

void Check::length(std::string_view field, std::string_view text, std::size_t min,
                   std::size_t max) {
    if (recording_) {
        Rule rule;
        rule.field = field;
        rule.min_length = min;
        rule.max_length = max;
        rules_.push_back(std::move(rule));
        return;
    }
    const std::size_t actual = code_points(text);
    if (actual >= min && actual <= max) return;
    that(field, false, fmt::format("must have {} to {} characters, has {}", min, max, actual));
}

void Check::line(std::string_view field, std::string_view text, std::size_t min, std::size_t max) {
    length(field, text, min, max);
    if (recording_) return;
    that(field, is_printable(text), "must not have control characters or line breaks");
    that(field, text.empty() || text.find_first_not_of(' ') != std::string_view::npos,
         "must not be blank");
}

void Check::range(std::string_view field, std::int64_t value, std::int64_t min, std::int64_t max) {
    if (recording_) {
        Rule rule;
        rule.field = field;
        rule.min = min;
        rule.max = max;
        rules_.push_back(std::move(rule));
        return;
    }
    if (value >= min && value <= max) return;
    that(field, false, fmt::format("must be {} to {}, is {}", min, max, value));
}

void Check::email(std::string_view field, std::string_view text) {
    if (recording_) {
        Rule rule;
        rule.field = field;
        rule.max_length = 254;
        rule.format = "email";
        rules_.push_back(std::move(rule));
        return;
    }
    that(field, is_mail_address(text),
         "must be a mail address such as name@example.org, at most 254 bytes");
}

void Check::that(std::string_view field, bool holds, std::string_view message) {
    if (holds || recording_) return;
    failures_.push_back(
        Error(Errc::invalid_argument, std::string(message)).with_field(std::string(field)));
}

Check Check::recording() {
    Check check;
    check.recording_ = true;
    return check;
}

}  // namespace loadstone::net
