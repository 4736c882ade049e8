#pragma once
// What a session has seen of the database (runtime::Position), as it travels with it: a cookie,
// HttpOnly and SameSite=Lax as that of the session, and for clients that send one the header
// Loadstone-Position. It holds nothing secret and is not signed: one that was made up makes its
// owner's reads wait, and is put right by the first of them (docs/internals/reads.md).
//
// Of a browser's requests that overlap the answer that comes last is remembered, though it may have
// begun first. So that no read takes back what a write has told, answers to requests that may write
// set a second cookie, `written`, and the later of both counts. (Moments have the first one alone.)
// Who keeps the latest of what all answers have told, and sends it in the header, is shown nothing
// older: of header and cookies too the later counts.

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

struct CarriedPosition {
    std::optional<runtime::Position> position;  // the latest; nothing if none can be read
    bool by_header = false;                     // there is one, of any value: "0-0" to begin with
    bool is_ahead = false;                      // the header's, of what the cookies hold
};
CarriedPosition position_of(const Request& request) noexcept;

// Appends the line that tells it, with its CRLF, to who sends the header: with every answer, for a
// cache keeps the line of the one before.
void append_position_line(std::string& head, runtime::Position position);
// Appends a Set-Cookie, or two where the request may have written, or where the second one is of a
// history that there is not any more.
void append_position_cookies(std::string& head, const Request& request, runtime::Position position,
                             bool may_have_written);

}  // namespace loadstone::net
