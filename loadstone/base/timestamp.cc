#include "loadstone/base/timestamp.h"

#include <algorithm>
#include <cstddef>

namespace loadstone {

namespace {

constexpr std::int64_t micros_per_second = 1'000'000;

struct Calendar {
    std::chrono::sys_days day;
    std::chrono::year_month_day date;
    std::int64_t second;  // of the day, 0..86399
    std::int64_t micro;   // of the second
};

Calendar to_calendar(Timestamp time) noexcept {
    const std::chrono::sys_time<std::chrono::microseconds> instant(
        std::chrono::microseconds(std::clamp(time, timestamp_text_min, timestamp_text_max).micros));
    const auto day = std::chrono::floor<std::chrono::days>(instant);
    const std::int64_t micro = (instant - day).count();
    return {day, std::chrono::year_month_day(day), micro / micros_per_second,
            micro % micros_per_second};
}

void put_digits(char* out, int digits, std::int64_t value) noexcept {
    while (digits-- > 0) {
        out[digits] = static_cast<char>('0' + value % 10);
        value /= 10;
    }
}

void put_clock(char* out, std::int64_t second) noexcept {
    put_digits(out, 2, second / 3600);
    put_digits(out + 3, 2, second / 60 % 60);
    put_digits(out + 6, 2, second % 60);
}

// Takes `count` digits from the front of `text`; -1 if they are not there.
int take_digits(std::string_view& text, std::size_t count) noexcept {
    if (text.size() < count) return -1;
    int value = 0;
    for (const char digit : text.substr(0, count)) {
        if (digit < '0' || digit > '9') return -1;
        value = value * 10 + (digit - '0');
    }
    text.remove_prefix(count);
    return value;
}

bool take(std::string_view& text, char expected) noexcept {
    if (text.empty() || text.front() != expected) return false;
    text.remove_prefix(1);
    return true;
}

// ".5" as 500000, nothing as 0; -1 if it is neither.
int take_fraction(std::string_view& text) noexcept {
    if (!take(text, '.')) return 0;
    const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    if (digits < 1 || digits > 6) return -1;
    int value = take_digits(text, digits);
    for (std::size_t i = digits; i < 6; ++i) value *= 10;
    return value;
}

}  // namespace

Timestamp Timestamp::now() noexcept {
    const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
    return {std::chrono::duration_cast<std::chrono::microseconds>(since_epoch).count()};
}

void append_rfc3339(std::string& out, Timestamp time) {
    const Calendar calendar = to_calendar(time);
    char text[] = "0000-00-00T00:00:00.000000Z";
    put_digits(text, 4, static_cast<int>(calendar.date.year()));
    put_digits(text + 5, 2, static_cast<unsigned>(calendar.date.month()));
    put_digits(text + 8, 2, static_cast<unsigned>(calendar.date.day()));
    put_clock(text + 11, calendar.second);
    put_digits(text + 20, 6, calendar.micro);
    out.append(text, sizeof text - 1);
}

std::string to_rfc3339(Timestamp time) {
    std::string out;
    append_rfc3339(out, time);
    return out;
}

std::string to_http_date(Timestamp time) {
    constexpr std::string_view weekdays = "SunMonTueWedThuFriSat";
    constexpr std::string_view months = "JanFebMarAprMayJunJulAugSepOctNovDec";
    const Calendar calendar = to_calendar(time);
    std::string out = "Sun, 00 Jan 0000 00:00:00 GMT";
    out.replace(0, 3, weekdays, std::chrono::weekday(calendar.day).c_encoding() * 3, 3);
    put_digits(out.data() + 5, 2, static_cast<unsigned>(calendar.date.day()));
    out.replace(8, 3, months, (static_cast<unsigned>(calendar.date.month()) - 1) * 3, 3);
    put_digits(out.data() + 12, 4, static_cast<int>(calendar.date.year()));
    put_clock(out.data() + 17, calendar.second);
    return out;
}

std::optional<Timestamp> timestamp_from_rfc3339(std::string_view text) noexcept {
    const int year = take_digits(text, 4);
    if (year < 0 || !take(text, '-')) return std::nullopt;
    const int month = take_digits(text, 2);
    if (month < 0 || !take(text, '-')) return std::nullopt;
    const int day = take_digits(text, 2);
    if (day < 0 || !take(text, 'T')) return std::nullopt;
    const int hour = take_digits(text, 2);
    if (hour < 0 || hour > 23 || !take(text, ':')) return std::nullopt;
    const int minute = take_digits(text, 2);
    if (minute < 0 || minute > 59 || !take(text, ':')) return std::nullopt;
    // A leap second (":60") has no place on this scale.
    const int second = take_digits(text, 2);
    if (second < 0 || second > 59) return std::nullopt;
    const int micro = take_fraction(text);
    if (micro < 0 || text != "Z") return std::nullopt;

    const std::chrono::year_month_day date(std::chrono::year(year),
                                           std::chrono::month(static_cast<unsigned>(month)),
                                           std::chrono::day(static_cast<unsigned>(day)));
    if (!date.ok()) return std::nullopt;
    const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
    const std::int64_t seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
    return Timestamp{seconds * micros_per_second + micro};
}

}  // namespace loadstone
