#pragma once
// What a session has seen of the database (runtime::Position), as it travels with it: a cookie,
// HttpOnly and SameSite=Lax as that of the session, or for clients that keep no cookies the header
// Loadstone-Position. It holds nothing secret and is not signed: one that was made up makes its
// owner's reads wait, and is put right by the first of them (docs/internals/reads.md).
//
// Of a browser's requests that overlap the answer that comes last is remembered, though it may have
// begun first. So that no read takes back what a write has told, answers to requests that may write
// set a second cookie, `written`, and the later of both counts. (Moments have the first one alone.)

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "loadstone/net/request.h"
#include "loadstone/runtime/freshness.h"

namespace loadstone::net {

// Longer than any replica may be behind; then it holds nothing that a replica has not.
inline constexpr std::chrono::hours position_kept{1};
inline constexpr std::string_view position_field = "Loadstone-Position";

std::string_view position_cookie_name(bool tls) noexcept;
std::string_view written_cookie_name(bool tls) noexcept;

// The header first, else the later of the cookies. Nothing if there is none that can be read.
std::optional<runtime::Position> position_of(const Request& request) noexcept;

// Appends the lines that tell it, with their CRLF: the header for who has sent one (of any value:
// "0-0" to begin with), else a Set-Cookie, or two where the request may have written, or where the
// second one is of a history that there is not any more.
void append_position_lines(std::string& head, const Request& request, runtime::Position position,
                           bool may_have_written);

}  // namespace loadstone::net
