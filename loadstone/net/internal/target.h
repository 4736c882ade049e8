#pragma once
// The request target (RFC 9112 3.2) and the path in it. What could be read in two ways is refused.

#include <string>
#include <string_view>

#include "loadstone/net/internal/failure.h"
#include "loadstone/net/request.h"

namespace loadstone::net::internal {

// Views into the target.
struct Target {
    std::string_view raw_path;   // begins with '/'; empty for "*"
    std::string_view query;      // without '?'
    std::string_view authority;  // of the absolute form
    bool is_absolute = false;
    bool is_https = false;  // of the absolute form
    bool is_asterisk = false;
};

// Origin form, absolute form, and "*" with OPTIONS.
HttpFailure parse_target(std::string_view text, Method method, Target& target);

// host [":" port], nothing else: no user, no empty host, no characters that a host cannot have.
bool is_authority(std::string_view text) noexcept;

// Percent-decodes once. "%2F" stays, so that it never makes a segment; "." and ".." segments, NUL,
// other controls and what is not UTF-8 are refused; empty segments stay as they are. `path` is a
// view of `raw` if nothing had to be decoded, of `storage` otherwise.
HttpFailure decode_path(std::string_view raw, std::string& storage, std::string_view& path);

}  // namespace loadstone::net::internal
