#pragma once
// When people learn: two terms a year, on Sundays to Thursdays more than on Fridays and Saturdays,
// and in the evening. Pure; all in UTC.

#include <array>
#include <cstdint>
#include <vector>

#include "loadstone/base/random.h"
#include "loadstone/base/timestamp.h"

namespace campus::seed {

inline constexpr std::int64_t second_us = 1'000'000;
inline constexpr std::int64_t day_us = 86'400 * second_us;

class Calendar {
public:
    static constexpr std::int64_t days = 365;

    // Of the year before `until`, the start of a day.
    explicit Calendar(loadstone::Timestamp until);

    loadstone::Timestamp begin() const noexcept { return begin_; }
    loadstone::Timestamp end() const noexcept { return {begin_.micros + days * day_us}; }

    // A moment of the year, on busy days more often.
    loadstone::Timestamp moment(loadstone::Random& random) const;
    // One in [from, end()). REQUIRES begin() <= from < end().
    loadstone::Timestamp moment_from(loadstone::Random& random, loadstone::Timestamp from) const;
    // When who stopped at `from` goes on: after a break on the same day, or in an evening up to a
    // week later, and outside of the terms later still. It may be behind the end.
    loadstone::Timestamp next_sitting(loadstone::Random& random, loadstone::Timestamp from) const;

private:
    loadstone::Timestamp hour_of_day(loadstone::Random& random, std::int64_t day) const;

    loadstone::Timestamp begin_;
    std::vector<double> up_to_day_;  // the sums of the days' weights, from 0 on
    std::array<double, 25> up_to_hour_{};
};

}  // namespace campus::seed
