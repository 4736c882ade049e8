#pragma once
// What header fields mean, as pure functions.

#include <optional>
#include <string>
#include <string_view>

#include "loadstone/net/request.h"

namespace loadstone::net::internal {

// GET, HEAD, OPTIONS: they change nothing (RFC 9110 9.2.1).
bool is_safe(Method method) noexcept;

// "application/json", with parameters or without.
bool is_json(std::string_view content_type) noexcept;
// Worth gzip: JSON, text, XML, JavaScript, SVG.
bool is_compressible(std::string_view content_type) noexcept;
// RFC 9110 12.5.3: is gzip allowed, by name or by *, with a weight above 0?
bool accepts_gzip(std::string_view accept_encoding) noexcept;

// 1 to 64 letters, digits, '-', '_', '.': what may stand in logs and headers as it is.
bool is_request_id(std::string_view text) noexcept;

// The key of an Idempotency-Key field: 1 to 255 visible characters, with or without the quotes of
// an sf-string (RFC 8941 3.3.3); nothing if it is none.
std::optional<std::string> idempotency_key(std::string_view field);

// Was the request made by a page of another site? Browsers say so in Sec-Fetch-Site; absence proves
// nothing.
bool is_from_other_site(std::string_view sec_fetch_site) noexcept;
// Does Origin name something else than `host`? Under TLS it must be https; without, a proxy may
// have ended TLS. Absence proves nothing (no browser leaves both fields away with a cookie).
bool is_other_origin(std::string_view origin, std::string_view host, bool is_tls) noexcept;

// Are two authorities the same, when :80 of http and :443 of https may be left away?
bool is_same_authority(std::string_view a, std::string_view b, bool is_https) noexcept;

}  // namespace loadstone::net::internal
