#include "campus/seed/options.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <string_view>

#include "loadstone/base/error.h"

namespace campus::seed {

using namespace loadstone;

namespace {

constexpr std::int64_t users_min = 10;
constexpr std::int64_t users_max = 10'000'000;
constexpr std::int64_t users_of_course = 50;
constexpr std::int64_t courses_min = 10;
constexpr std::int64_t progress_of_user = 20;
constexpr std::int64_t progress_of_user_max = 1'000;
constexpr std::int64_t day_us = 86'400'000'000;

std::int64_t number(std::string_view option, std::string_view text, std::int64_t min,
                    std::int64_t max) {
    std::int64_t value = 0;
    const char* end = text.data() + text.size();
    const auto [read, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc() || read != end || value < min || value > max)
        throw Error(Errc::invalid_argument,
                    fmt::format("--{} is {} to {}, not \"{}\"", option, min, max, text));
    return value;
}

Timestamp day(std::string_view text) {
    const auto time = timestamp_from_rfc3339(fmt::format("{}T00:00:00Z", text));
    if (!time)
        throw Error(Errc::invalid_argument,
                    fmt::format("--until is a day like 2026-01-31, not \"{}\"", text));
    return *time;
}

}  // namespace

Options options_of(std::span<const std::string> arguments, Timestamp now) {
    Options options;
    options.until = {now.micros - now.micros % day_us};
    std::optional<std::string_view> courses, progress;
    for (const std::string_view argument : arguments) {
        const auto at = argument.find('=');
        const std::string_view name = argument.substr(0, at);
        const std::string_view value =
            at == std::string_view::npos ? std::string_view() : argument.substr(at + 1);
        if (name == "--users") {
            options.users = number("users", value, users_min, users_max);
        } else if (name == "--courses") {
            courses = value;
        } else if (name == "--progress") {
            progress = value;
        } else if (name == "--seed") {
            options.seed = static_cast<std::uint64_t>(
                number("seed", value, 0, std::numeric_limits<std::int64_t>::max()));
        } else if (name == "--until") {
            options.until = day(value);
        } else if (name == "--add") {
            options.is_added = true;
        } else {
            throw Error(Errc::invalid_argument,
                        fmt::format("seed takes options alone, not \"{}\"", argument));
        }
    }
    // These go by the users, wherever they stand.
    options.courses = courses ? number("courses", *courses, 1, options.users)
                              : std::max(courses_min, options.users / users_of_course);
    options.progress = progress
                           ? number("progress", *progress, 0, options.users * progress_of_user_max)
                           : options.users * progress_of_user;
    return options;
}

}  // namespace campus::seed
