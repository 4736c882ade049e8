#include "campus/discussions/thread_place.h"

#include <fmt/core.h>

#include <array>
#include <charconv>

namespace campus::discussions {

std::string to_text(const sql::ThreadsOfCourseCursor& place) {
    return fmt::format("{}.{}.{}", place.pinned, place.last_post_at.micros, place.id.value);
}

std::optional<sql::ThreadsOfCourseCursor> place_from_text(std::string_view text) {
    std::array<std::int64_t, 3> numbers{};
    const char* at = text.data();
    const char* const end = at + text.size();
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        if (i > 0 && (at == end || *at++ != '.')) return std::nullopt;
        const auto [behind, failure] = std::from_chars(at, end, numbers[i]);
        if (failure != std::errc() || numbers[i] < 0) return std::nullopt;
        at = behind;
    }
    if (at != end) return std::nullopt;
    sql::ThreadsOfCourseCursor place;
    place.pinned = numbers[0];
    place.last_post_at.micros = numbers[1];
    place.id.value = numbers[2];
    return place;
}

}  // namespace campus::discussions
