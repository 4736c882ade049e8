#include "loadstone/net/internal/target.h"

#include <algorithm>

#include "loadstone/base/encoding.h"
#include "loadstone/net/internal/text.h"

namespace loadstone::net::internal {

namespace {

HttpFailure bad(std::string_view detail) { return HttpFailure{400, std::string(detail)}; }

// Takes "http://" or "https://" and the authority off `rest`.
HttpFailure take_authority(std::string_view& rest, Target& target) {
    const auto scheme_end = rest.find("://");
    const std::string_view scheme = rest.substr(0, scheme_end);
    target.is_https = same_ignoring_case(scheme, "https");
    if (scheme_end == std::string_view::npos ||
        (!target.is_https && !same_ignoring_case(scheme, "http"))) {
        return bad("the request target is neither a path nor an http URI");
    }
    rest.remove_prefix(scheme_end + 3);
    const auto end = std::min(rest.find_first_of("/?"), rest.size());
    target.is_absolute = true;
    target.authority = rest.substr(0, end);
    rest.remove_prefix(end);
    if (!is_authority(target.authority)) return bad("the request target has no valid host");
    return {};
}

bool is_host_character(char c) noexcept {
    return is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

// RFC 3986 3.3: pchar or '/', '%' apart. Browsers also send '|', '[' and the like as they are.
bool is_path_character(char c) noexcept {
    return is_visible(c) && c != '#' && c != '?' && c != '\\' && c != '"' && c != '<' && c != '>';
}

bool has_dot_segment(std::string_view path) noexcept {
    for (std::size_t i = path.find("/."); i != std::string_view::npos; i = path.find("/.", i + 1)) {
        const std::string_view rest = path.substr(i + 2);
        if (rest.empty() || rest[0] == '/') return true;
        if (rest[0] == '.' && (rest.size() == 1 || rest[1] == '/')) return true;
    }
    return false;
}

}  // namespace

bool is_authority(std::string_view text) noexcept {
    std::string_view port;
    if (text.starts_with('[')) {
        const auto close = text.find(']');
        if (close == std::string_view::npos || close < 3) return false;
        for (const char c : text.substr(1, close - 1)) {
            if (hex_value(c) < 0 && c != ':' && c != '.') return false;
        }
        port = text.substr(close + 1);
    } else {
        const auto colon = std::min(text.find(':'), text.size());
        if (colon == 0 || !std::all_of(text.begin(), text.begin() + colon, is_host_character))
            return false;
        port = text.substr(colon);
    }
    if (port.empty()) return true;
    if (port.front() != ':') return false;
    port.remove_prefix(1);
    return !port.empty() && port.size() <= 5 && std::all_of(port.begin(), port.end(), is_digit);
}

HttpFailure parse_target(std::string_view text, Method method, Target& target) {
    target = Target{};
    if (text == "*") {
        if (method != Method::options) return bad("the request target * is for OPTIONS only");
        target.is_asterisk = true;
        return {};
    }
    std::string_view rest = text;
    if (!rest.starts_with('/')) {
        if (HttpFailure failure = take_authority(rest, target)) return failure;
    }
    const auto question = std::min(rest.find('?'), rest.size());
    target.raw_path = rest.substr(0, question);
    if (question < rest.size()) target.query = rest.substr(question + 1);
    if (target.raw_path.empty()) target.raw_path = "/";
    for (const char c : target.raw_path) {
        if (!is_path_character(c))
            return bad("the path has a character that must be percent-encoded");
    }
    for (const char c : target.query) {
        if (!is_visible(c) || c == '#') {
            return bad("the query string has a character that must be percent-encoded");
        }
    }
    return {};
}

HttpFailure decode_path(std::string_view raw, std::string& storage, std::string_view& path) {
    path = raw;
    if (raw.find('%') != std::string_view::npos) {
        storage.clear();
        storage.reserve(raw.size());
        for (std::size_t i = 0; i < raw.size(); ++i) {
            if (raw[i] != '%') {
                storage += raw[i];
                continue;
            }
            const bool has_two = raw.size() - i > 2;
            const int high = has_two ? hex_value(raw[i + 1]) : -1;
            const int low = has_two ? hex_value(raw[i + 2]) : -1;
            if (high < 0 || low < 0) return bad("the path has a % without two hexadecimal digits");
            const char c = static_cast<char>(high * 16 + low);
            if (is_control(c)) return bad("the path has an encoded control character");
            if (c == '/') {
                storage += "%2F";
            } else {
                storage += c;
            }
            i += 2;
        }
        if (!is_utf8(storage)) return bad("the path is not UTF-8");
        path = storage;
    }
    if (has_dot_segment(path)) return bad("the path has a . or .. segment");
    return {};
}

}  // namespace loadstone::net::internal
