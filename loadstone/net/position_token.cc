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
    const std::string text = runtime::to_text(position);
    if (!request.header(position_field).empty()) return {std::string(position_field), text};
    return {"Set-Cookie", fmt::format("{}={}; Path=/; HttpOnly; SameSite=Lax; Max-Age={}{}",
                                      position_cookie_name(request.is_tls()), text,
                                      std::chrono::seconds(position_kept).count(),
                                      request.is_tls() ? "; Secure" : "")};
}

}  // namespace loadstone::net
