#include "loadstone/net/position_token.h"

#include <fmt/core.h>

namespace loadstone::net {

std::string_view position_cookie_name(bool tls) noexcept {
    return tls ? "__Host-position" : "position";
}

std::optional<runtime::Position> position_of(const Request& request) noexcept {
    const std::string_view given = request.header(position_field);
    if (!given.empty()) return runtime::position_from(given);
    const auto cookie = request.cookie(position_cookie_name(request.is_tls()));
    return cookie ? runtime::position_from(*cookie) : std::nullopt;
}

std::pair<std::string, std::string> position_header(const Request& request,
                                                    runtime::Position position) {
    std::string text = runtime::to_text(position);
    if (!request.header(position_field).empty())
        return {std::string(position_field), std::move(text)};
    static const std::string attributes =
        fmt::format("; Path=/; HttpOnly; SameSite=Lax; Max-Age={}",
                    std::chrono::seconds(position_kept).count());
    std::string cookie;
    cookie.reserve(128);
    cookie.append(position_cookie_name(request.is_tls())).append("=").append(text);
    cookie.append(attributes);
    if (request.is_tls()) cookie += "; Secure";
    return {"Set-Cookie", std::move(cookie)};
}

}  // namespace loadstone::net
