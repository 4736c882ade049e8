#pragma once
// The fields of a cron expression as sets, and the local times that are in them. Pure, and without
// time zones; the grammar stands in cron.h.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "loadstone/base/result.h"

namespace loadstone::jobs::internal {

struct CronFields {
    // Bit i is value i.
    std::uint64_t minutes = 0;
    std::uint32_t hours = 0;
    std::uint32_t days = 0;             // 1..31
    std::uint32_t months = 0;           // 1..12
    std::uint32_t weekdays = 0;         // 0..6, sunday is 0
    bool one_day_field_enough = false;  // neither of day_of_month and day_of_week begins with "*"
    bool by_elapsed_time = false;       // the hour begins with "*"
};

// A schedule has a day in one of any so many years that follow each other: 29 february, which is
// not in 1900, is in one of 8.
inline constexpr int barren_years_max = 8;

// Errc::invalid_argument, its field() one of minute, hour, day_of_month, month, day_of_week and
// expression.
Result<CronFields> parse_cron_fields(std::string_view expression);
// The same expression with one space between its fields.
std::string join_cron_fields(std::string_view expression);

// The first whole minute in [from, until) that is in the fields.
std::optional<std::chrono::local_seconds> first_match(const CronFields& fields,
                                                      std::chrono::local_seconds from,
                                                      std::chrono::local_seconds until);

}  // namespace loadstone::jobs::internal
