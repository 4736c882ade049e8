#pragma once
// The cookie that carries a session's token: HttpOnly, SameSite=Lax, Path=/. Under TLS it is
// called __Host-session and Secure, so that no other host and no plain connection can set it.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "loadstone/net/request.h"

namespace loadstone::net {

std::string_view session_cookie_name(bool tls) noexcept;

// A Set-Cookie header. A `max_age` of zero or less deletes the cookie.
std::pair<std::string, std::string> session_cookie(const Request& request, std::string_view token,
                                                   std::chrono::seconds max_age);

// The token that the request carries; none if there is no cookie or it is empty.
std::optional<std::string_view> session_token(const Request& request) noexcept;

}  // namespace loadstone::net
