#include "loadstone/net/internal/response_head.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "loadstone/net/internal/field_rules.h"
#include "loadstone/net/internal/reason.h"
#include "loadstone/net/internal/text.h"

namespace loadstone::net::internal {

namespace {

using namespace std::string_view_literals;

bool is_field_value(std::string_view value) noexcept {
    bool is_clean = true;  // no branch a character: the compiler takes 16 at once
    for (const char c : value) is_clean &= !is_control(c) || c == '\t';
    return is_clean;
}

bool is_own_field(std::string_view name) noexcept {
    constexpr std::array own{"Content-Length"sv, "Content-Type"sv, "Transfer-Encoding"sv,
                             "Connection"sv,     "Keep-Alive"sv,   "Date"sv,
                             "Upgrade"sv,        "X-Request-Id"sv};
    return std::any_of(own.begin(), own.end(),
                       [name](std::string_view field) { return same_ignoring_case(name, field); });
}

bool has_field(const Response& response, std::string_view name) noexcept {
    return std::any_of(response.headers.begin(), response.headers.end(),
                       [name](const auto& field) { return same_ignoring_case(field.first, name); });
}

}  // namespace

void append_number(std::string& out, std::size_t number) {
    std::array<char, 20> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    out.append(digits.data(), end);
}

bool has_content(int status) noexcept { return status >= 200 && status != 204 && status != 304; }

std::string* field_in(Response& response, std::string_view name) noexcept {
    for (auto& [own, value] : response.headers) {
        if (same_ignoring_case(own, name)) return &value;
    }
    return nullptr;
}

bool has_encoding(const Response& response) noexcept {
    return has_field(response, "Content-Encoding");
}

bool is_sendable(const Response& response) noexcept {
    if (response.status < 200 || response.status > 599 || !is_field_value(response.content_type))
        return false;
    return std::all_of(response.headers.begin(), response.headers.end(), [](const auto& field) {
        return is_token(field.first) && is_field_value(field.second) && !is_own_field(field.first);
    });
}

void append_head(std::string& out, const Response& response, const Envelope& envelope) {
    if (response.status == 200) {
        out += "HTTP/1.1 200 OK\r\n"sv;
    } else {
        out += "HTTP/1.1 "sv;
        append_number(out, static_cast<std::size_t>(response.status));
        out += ' ';
        out += reason_of(response.status);
        out += "\r\n"sv;
    }
    out += envelope.date_line;
    if (has_content(response.status)) {
        if (!response.content_type.empty()) {
            out += "Content-Type: "sv;
            out += response.content_type;
            out += "\r\n"sv;
        }
        if (envelope.has_size) {
            out += "Content-Length: "sv;
            append_number(out, envelope.body_bytes);
            out += "\r\n"sv;
        } else if (envelope.is_chunked) {
            out += "Transfer-Encoding: chunked\r\n"sv;
        }
    }
    out += "X-Request-Id: "sv;
    out += envelope.request_id;
    out += "\r\nX-Content-Type-Options: nosniff\r\n"sv;
    const bool has_fields = !response.headers.empty();
    if (!has_fields || !has_field(response, "X-Frame-Options"))
        out += "X-Frame-Options: DENY\r\n"sv;
    const bool is_data = response.content_type.find("json") != std::string::npos;
    if (is_data && (!has_fields || !has_field(response, "Cache-Control")))
        out += "Cache-Control: no-store\r\n"sv;
    if (envelope.is_tls) out += "Strict-Transport-Security: max-age=31536000\r\n"sv;
    if (envelope.is_gzipped) out += "Content-Encoding: gzip\r\n"sv;
    if (envelope.varies) out += "Vary: Accept-Encoding\r\n"sv;
    for (const auto& [name, value] : response.headers) {
        out += name;
        out += ": "sv;
        out += value;
        out += "\r\n"sv;
    }
    out += envelope.own_lines;
    if (envelope.closes) {
        out += "Connection: close\r\n"sv;
    } else if (envelope.keeps_alive_1_0) {
        out += "Connection: keep-alive\r\n"sv;
    }
    out += "\r\n"sv;
}

}  // namespace loadstone::net::internal
