#include "loadstone/net/position_token.h"

#include <fmt/core.h>

#include <algorithm>

namespace loadstone::net {

std::string_view position_cookie_name(bool tls) noexcept {
    return tls ? "__Host-position" : "position";
}

std::string_view written_cookie_name(bool tls) noexcept {
    return tls ? "__Host-written" : "written";
}

namespace {

std::optional<runtime::Position> carried(const Request& request, std::string_view name) noexcept {
    const auto cookie = request.cookie(name);
    return cookie ? runtime::position_from(*cookie) : std::nullopt;
}

void append_cookie_line(std::string& head, std::string_view name, bool tls,
                        runtime::Position position) {
    static const std::string attributes =
        fmt::format("; Path=/; HttpOnly; SameSite=Lax; Max-Age={}",
                    std::chrono::seconds(position_kept).count());
    head.append("Set-Cookie: ").append(name).append("=");
    runtime::append_text(head, position);
    head.append(attributes).append(tls ? "; Secure\r\n" : "\r\n");
}

std::optional<runtime::Position> position_of_cookies(const Request& request) noexcept {
    const auto position = carried(request, position_cookie_name(request.is_tls()));
    if (position && position->is_moment()) return position;
    const auto written = carried(request, written_cookie_name(request.is_tls()));
    if (!written || written->is_moment()) return position;
    return position ? std::max(*position, *written) : written;
}

// Of two that one client has been told; moments of two processes say nothing of each other.
runtime::Position later_of(runtime::Position one, runtime::Position other) noexcept {
    constexpr runtime::Position nothing;
    const bool are_comparable = one.history == other.history || one == nothing ||
                                other == nothing || !(one.is_moment() || other.is_moment());
    return are_comparable ? std::max(one, other) : runtime::Position::unknown();
}

}  // namespace

CarriedPosition position_of(const Request& request) noexcept {
    const auto kept = position_of_cookies(request);
    const std::string_view given = request.header(position_field);
    if (given.empty()) return {kept, false, false};
    const auto told = runtime::position_from(given);
    if (!told || *told == runtime::Position{}) return {kept, true, false};
    if (!kept) return {told, true, false};  // no browser, or none yet
    const runtime::Position later = later_of(*told, *kept);
    return {later, true, later != *kept};
}

void append_position_line(std::string& head, runtime::Position position) {
    head.append(position_field).append(": ");
    runtime::append_text(head, position);
    head.append("\r\n");
}

void append_position_cookies(std::string& head, const Request& request, runtime::Position position,
                             bool may_have_written) {
    const bool tls = request.is_tls();
    append_cookie_line(head, position_cookie_name(tls), tls, position);
    if (position.is_moment()) return;
    if (!may_have_written) {
        const auto written = carried(request, written_cookie_name(tls));
        if (!written || *written <= position) return;
    }
    append_cookie_line(head, written_cookie_name(tls), tls, position);
}

}  // namespace loadstone::net
