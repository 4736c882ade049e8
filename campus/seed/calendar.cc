#include "campus/seed/calendar.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <span>

namespace campus::seed {

using namespace loadstone;

namespace {

constexpr double outside_terms = 0.3;
constexpr std::array<double, 7> by_weekday{0.9, 1.1, 1.2, 1.1, 1.0, 0.6, 0.5};  // from Sunday
// From 0 to 1 o'clock on.
constexpr std::array<double, 24> by_hour{0.6, 0.3, 0.1, 0.1, 0.1, 0.2, 0.4, 0.8,
                                         1.2, 1.5, 1.6, 1.4, 1.3, 1.2, 1.4, 1.5,
                                         1.6, 1.8, 2.4, 3.6, 4.2, 3.8, 2.4, 1.2};

// 15 September to 20 December, 1 February to 15 June.
bool is_term(const std::chrono::year_month_day& date) {
    const unsigned day =
        static_cast<unsigned>(date.month()) * 100 + static_cast<unsigned>(date.day());
    return (day >= 915 && day <= 1220) || (day >= 201 && day <= 615);
}

double weight_of(Timestamp time) {
    const std::chrono::sys_days day{std::chrono::days(time.micros / day_us)};
    const double term = is_term(std::chrono::year_month_day(day)) ? 1.0 : outside_terms;
    return term * by_weekday[std::chrono::weekday(day).c_encoding()];
}

// Which part `value` falls into. REQUIRES 0 <= value < the last sum.
std::int64_t part_of(std::span<const double> sums, double value) {
    const auto above = std::ranges::upper_bound(sums, value);
    const auto part = std::distance(sums.begin(), above) - 1;
    return std::clamp<std::int64_t>(part, 0, static_cast<std::int64_t>(sums.size()) - 2);
}

}  // namespace

Calendar::Calendar(Timestamp until) : begin_{until.micros - days * day_us}, up_to_day_{0} {
    for (std::int64_t day = 0; day < days; ++day)
        up_to_day_.push_back(up_to_day_.back() + weight_of({begin_.micros + day * day_us}));
    for (std::size_t hour = 0; hour < by_hour.size(); ++hour)
        up_to_hour_[hour + 1] = up_to_hour_[hour] + by_hour[hour];
}

Timestamp Calendar::hour_of_day(Random& random, std::int64_t day) const {
    const std::int64_t hour = part_of(up_to_hour_, random.uniform() * up_to_hour_.back());
    const auto in_hour = static_cast<std::int64_t>(random.below(3'600 * second_us));
    return {begin_.micros + day * day_us + hour * 3'600 * second_us + in_hour};
}

Timestamp Calendar::moment(Random& random) const {
    const std::int64_t day = part_of(up_to_day_, random.uniform() * up_to_day_.back());
    return hour_of_day(random, day);
}

Timestamp Calendar::moment_from(Random& random, Timestamp from) const {
    const std::int64_t first = (from.micros - begin_.micros) / day_us;
    const double before = up_to_day_[static_cast<std::size_t>(first)];
    const double value = before + random.uniform() * (up_to_day_.back() - before);
    const Timestamp time = hour_of_day(random, part_of(up_to_day_, value));
    if (time >= from) return time;
    // On the day of `from`, before it.
    const std::int64_t left = begin_.micros + (first + 1) * day_us - from.micros;
    return {from.micros +
            static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(left)))};
}

Timestamp Calendar::next_sitting(Random& random, Timestamp from) const {
    constexpr double same_day = 0.45;
    if (random.uniform() < same_day)
        return {from.micros + static_cast<std::int64_t>(600 + random.below(5'400)) * second_us};
    std::int64_t day =
        (from.micros - begin_.micros) / day_us + 1 + static_cast<std::int64_t>(random.below(7));
    // Holidays are skipped, now and then.
    while (day < days && random.uniform() > weight_of({begin_.micros + day * day_us}) + 0.4) ++day;
    return hour_of_day(random, day);
}

}  // namespace campus::seed
