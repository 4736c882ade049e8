#pragma once
// Timestamp: wall-clock time as microseconds since 1970-01-01T00:00:00Z, as it is stored (bigint
// in both databases) and sent (RFC 3339, UTC, microseconds). Durations inside are std::chrono on
// the steady clock; a Timestamp is never used to measure a wait.

#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace loadstone {

struct Timestamp {
    std::int64_t micros = 0;

    friend constexpr auto operator<=>(const Timestamp&, const Timestamp&) = default;

    Timestamp operator+(std::chrono::microseconds delta) const { return {micros + delta.count()}; }
    Timestamp operator-(std::chrono::microseconds delta) const { return {micros - delta.count()}; }
    std::chrono::microseconds operator-(Timestamp other) const {
        return std::chrono::microseconds(micros - other.micros);
    }

    static Timestamp now() noexcept;
};

// What has a text: the years 0000 to 9999. A time outside is written as the nearer end.
inline constexpr Timestamp timestamp_text_min{-62'167'219'200'000'000};
inline constexpr Timestamp timestamp_text_max{253'402'300'799'999'999};

// "2026-01-31T12:00:00.000000Z"
std::string to_rfc3339(Timestamp time);
void append_rfc3339(std::string& out, Timestamp time);
// "Sat, 31 Jan 2026 12:00:00 GMT" (RFC 9110 5.6.7)
std::string to_http_date(Timestamp time);
// Accepts what to_rfc3339 writes, with zero to six fractional digits; UTC ("Z") only.
std::optional<Timestamp> timestamp_from_rfc3339(std::string_view text) noexcept;

}  // namespace loadstone
