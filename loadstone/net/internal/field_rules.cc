#include "loadstone/net/internal/field_rules.h"

#include <algorithm>

#include "loadstone/net/internal/text.h"

namespace loadstone::net::internal {

namespace {

std::string_view media_type(std::string_view content_type) noexcept {
    return trimmed(content_type.substr(0, content_type.find(';')));
}

// The text up to `separator`, which `rest` then begins behind.
std::string_view take_item(std::string_view& rest, char separator) noexcept {
    const auto end = std::min(rest.find(separator), rest.size());
    const std::string_view item = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return trimmed(item);
}

// Is there a "q=0", "q=0.0" ... among the parameters?
bool has_zero_weight(std::string_view parameters) noexcept {
    while (!parameters.empty()) {
        const std::string_view parameter = take_item(parameters, ';');
        if (!starts_with_ignoring_case(parameter, "q=")) continue;
        return parameter.substr(2).find_first_not_of("0.") == std::string_view::npos;
    }
    return false;
}

std::string_view without_default_port(std::string_view authority, bool is_https) noexcept {
    const std::string_view port = is_https ? ":443" : ":80";
    if (authority.ends_with(port)) authority.remove_suffix(port.size());
    return authority;
}

}  // namespace

bool is_safe(Method method) noexcept {
    return method == Method::get || method == Method::head || method == Method::options;
}

bool is_json(std::string_view content_type) noexcept {
    return same_ignoring_case(media_type(content_type), "application/json");
}

bool is_compressible(std::string_view content_type) noexcept {
    const std::string_view type = media_type(content_type);
    return starts_with_ignoring_case(type, "text/") || is_json(type) || type.ends_with("+json") ||
           type.ends_with("+xml") || type == "application/xml" || type == "application/javascript";
}

bool accepts_gzip(std::string_view accept_encoding) noexcept {
    bool any = false;
    while (!accept_encoding.empty()) {
        std::string_view item = take_item(accept_encoding, ',');
        const std::string_view coding = take_item(item, ';');
        if (same_ignoring_case(coding, "gzip")) return !has_zero_weight(item);
        if (coding == "*") any = !has_zero_weight(item);
    }
    return any;
}

bool is_request_id(std::string_view text) noexcept {
    return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
        return is_alpha(c) || is_digit(c) || c == '-' || c == '_' || c == '.';
    });
}

std::optional<std::string> idempotency_key(std::string_view field) {
    std::string key;
    if (field.starts_with('"')) {
        if (field.size() < 2 || !field.ends_with('"')) return std::nullopt;
        field = field.substr(1, field.size() - 2);
        for (std::size_t i = 0; i < field.size(); ++i) {
            if (field[i] == '"') return std::nullopt;
            if (field[i] == '\\') {
                ++i;
                if (i == field.size() || (field[i] != '"' && field[i] != '\\')) return std::nullopt;
            }
            key += field[i];
        }
    } else {
        key = field;
    }
    if (key.empty() || key.size() > 255 || !std::all_of(key.begin(), key.end(), is_visible))
        return std::nullopt;
    return key;
}

bool is_same_authority(std::string_view a, std::string_view b, bool is_https) noexcept {
    return same_ignoring_case(without_default_port(a, is_https), without_default_port(b, is_https));
}

bool is_from_other_site(std::string_view sec_fetch_site) noexcept {
    return !sec_fetch_site.empty() && !same_ignoring_case(sec_fetch_site, "same-origin") &&
           !same_ignoring_case(sec_fetch_site, "none");
}

bool is_other_origin(std::string_view origin, std::string_view host, bool is_tls) noexcept {
    if (origin.empty()) return false;
    const bool is_https = starts_with_ignoring_case(origin, "https://");
    if (!is_https && (is_tls || !starts_with_ignoring_case(origin, "http://"))) return true;
    return !is_same_authority(origin.substr(is_https ? 8 : 7), host, is_https);
}

}  // namespace loadstone::net::internal
