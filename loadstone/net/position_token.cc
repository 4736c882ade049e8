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

void append_position_line(std::string& head, const Request& request, runtime::Position position) {
    if (!request.header(position_field).empty()) {
        head.append(position_field).append(": ");
        runtime::append_text(head, position);
        head.append("\r\n");
        return;
    }
    static const std::string attributes =
        fmt::format("; Path=/; HttpOnly; SameSite=Lax; Max-Age={}",
                    std::chrono::seconds(position_kept).count());
    head.append("Set-Cookie: ").append(position_cookie_name(request.is_tls())).append("=");
    runtime::append_text(head, position);
    head.append(attributes);
    head.append(request.is_tls() ? "; Secure\r\n" : "\r\n");
}

}  // namespace loadstone::net
