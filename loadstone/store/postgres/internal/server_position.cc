#include "loadstone/store/postgres/internal/server_position.h"

#include <charconv>
#include <string_view>

namespace loadstone::store::postgres {

namespace {

std::string_view value(const PGresult* result, int column) noexcept {
    return {PQgetvalue(result, 0, column),
            static_cast<std::size_t>(PQgetlength(result, 0, column))};
}

}  // namespace

std::optional<ServerPosition> server_position_of(const PGresult* result) noexcept {
    if (PQntuples(result) != 1 || PQnfields(result) != 4 || PQgetisnull(result, 0, 1) != 0)
        return std::nullopt;
    const std::string_view standby = value(result, 0), place = value(result, 1),
                           moving = value(result, 2), timeline = value(result, 3);
    if (standby.size() != 1 || place.size() != 8 || moving.size() != 1) return std::nullopt;
    ServerPosition position;
    position.is_standby = standby[0] != 0;
    position.is_moving = moving[0] != 0;
    for (const char byte : place)  // a pg_lsn: 8 bytes, the most significant first
        position.at = position.at << 8 | static_cast<unsigned char>(byte);
    if (!position.is_standby) {
        const char* const end = timeline.data() + timeline.size();
        const auto [stop, error] = std::from_chars(timeline.data(), end, position.timeline, 16);
        if (error != std::errc() || stop != end) return std::nullopt;
    }
    return position;
}

}  // namespace loadstone::store::postgres
