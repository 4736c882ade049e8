#include "loadstone/net/request.h"

#include "loadstone/net/internal/text.h"

namespace loadstone::net {

std::string_view to_string(Method method) noexcept {
    switch (method) {
        case Method::get: return "GET";
        case Method::head: return "HEAD";
        case Method::post: return "POST";
        case Method::put: return "PUT";
        case Method::patch: return "PATCH";
        case Method::delete_: return "DELETE";
        case Method::options: return "OPTIONS";
    }
    return "";
}

// RFC 6265 5.4: pairs separated by "; ". Names are compared exactly.
std::optional<std::string_view> Request::cookie(std::string_view name) const noexcept {
    std::string_view field = header("Cookie");
    while (!field.empty()) {
        const auto end = field.find(';');
        const std::string_view pair = internal::trimmed(field.substr(0, end));
        field = end == std::string_view::npos ? std::string_view{} : field.substr(end + 1);
        if (pair.find('=') != name.size() || !pair.starts_with(name)) continue;
        std::string_view value = pair.substr(name.size() + 1);
        if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
            value = value.substr(1, value.size() - 2);
        }
        return value;
    }
    return std::nullopt;
}

}  // namespace loadstone::net
