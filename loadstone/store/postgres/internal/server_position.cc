#include "loadstone/store/postgres/internal/server_position.h"

#include <charconv>
#include <string_view>

namespace loadstone::store::postgres {

namespace {

std::string_view value(const PGresult* result, int column) noexcept {
    return {PQgetvalue(result, 0, column),
            static_cast<std::size_t>(PQgetlength(result, 0, column))};
}

// A pg_lsn: 8 bytes, the most significant first.
std::optional<std::uint64_t> place_of(const PGresult* result, int column) noexcept {
    const std::string_view bytes = value(result, column);
    if (PQgetisnull(result, 0, column) != 0 || bytes.size() != 8) return std::nullopt;
    std::uint64_t place = 0;
    for (const char byte : bytes) place = place << 8 | static_cast<unsigned char>(byte);
    return place;
}

std::optional<ServerPosition> replica_position_of(const PGresult* result) noexcept {
    const auto replayed = place_of(result, 0), received = place_of(result, 1);
    ServerPosition position;
    if (!replayed) return position;  // no standby
    position.is_standby = true;
    position.at = *replayed;
    position.is_moving = !received || *received > *replayed;
    return position;
}

}  // namespace

std::optional<ServerPosition> server_position_of(const PGresult* result) noexcept {
    if (PQntuples(result) != 1) return std::nullopt;
    if (PQnfields(result) == 2) return replica_position_of(result);
    if (PQnfields(result) != 4) return std::nullopt;
    const auto place = place_of(result, 1);
    const std::string_view standby = value(result, 0), moving = value(result, 2),
                           timeline = value(result, 3);
    if (standby.size() != 1 || !place || moving.size() != 1) return std::nullopt;
    ServerPosition position;
    position.is_standby = standby[0] != 0;
    position.is_moving = moving[0] != 0;
    position.at = *place;
    if (!position.is_standby) {
        const char* const end = timeline.data() + timeline.size();
        const auto [stop, error] = std::from_chars(timeline.data(), end, position.timeline, 16);
        if (error != std::errc() || stop != end) return std::nullopt;
    }
    return position;
}

}  // namespace loadstone::store::postgres
