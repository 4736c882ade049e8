#include "loadstone/net/session_cookie.h"

#include <fmt/core.h>

#include <algorithm>

namespace loadstone::net {

std::string_view session_cookie_name(bool tls) noexcept {
    return tls ? "__Host-session" : "session";
}

std::pair<std::string, std::string> session_cookie(const Request& request, std::string_view token,
                                                   std::chrono::seconds max_age) {
    const auto seconds = std::max<std::int64_t>(0, max_age.count());
    return {"Set-Cookie", fmt::format("{}={}; Path=/; HttpOnly; SameSite=Lax; Max-Age={}{}",
                                      session_cookie_name(request.is_tls()), token, seconds,
                                      request.is_tls() ? "; Secure" : "")};
}

std::optional<std::string_view> session_token(const Request& request) noexcept {
    const auto token = request.cookie(session_cookie_name(request.is_tls()));
    if (!token || token->empty()) return std::nullopt;
    return token;
}

}  // namespace loadstone::net
