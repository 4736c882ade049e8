#include "loadstone/jobs/internal/cron_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <span>
#include <vector>

namespace loadstone::jobs::internal {

namespace {

using std::chrono::days;
using std::chrono::local_days;
using std::chrono::local_seconds;

constexpr std::array<std::string_view, 12> month_names = {"jan", "feb", "mar", "apr", "may", "jun",
                                                          "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> weekday_names = {"sun", "mon", "tue", "wed",
                                                           "thu", "fri", "sat"};

struct FieldRule {
    std::string_view name;
    int low;
    int high;
    int values;  // "*" is so many from `low` on. A longer step would mean no more than this one.
    std::span<const std::string_view> names;  // of `low` and the values behind it
    std::string_view allowed;
};

constexpr std::array<FieldRule, 5> rules = {{
    {"minute", 0, 59, 60, {}, "0..59"},
    {"hour", 0, 23, 24, {}, "0..23"},
    {"day_of_month", 1, 31, 31, {}, "1..31"},
    {"month", 1, 12, 12, month_names, "1..12 or jan..dec"},
    {"day_of_week", 0, 7, 7, weekday_names, "0..7 or sun..sat"},
}};

struct Shorthand {
    std::string_view name;
    std::string_view fields;
};

constexpr std::array<Shorthand, 5> shorthands = {{
    {"@hourly", "0 * * * *"},
    {"@daily", "0 0 * * *"},
    {"@weekly", "0 0 * * 0"},
    {"@monthly", "0 0 1 * *"},
    {"@yearly", "0 0 1 1 *"},
}};

tl::unexpected<Error> refused(std::string_view field, const std::string& why) {
    return failure(Error(Errc::invalid_argument, fmt::format("cron: {}: {}", field, why))
                       .with_field(std::string(field)));
}

bool same_letters(std::string_view text, std::string_view lower) {
    return std::ranges::equal(text, lower, [](char a, char b) {
        return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
    });
}

std::optional<int> number(std::string_view text) {
    int value = 0;
    const char* const begin = text.data();
    const char* const end = begin + text.size();
    const auto [stop, error] = std::from_chars(begin, end, value);
    if (error != std::errc() || stop != end) return std::nullopt;
    return value;
}

Result<int> value_of(const FieldRule& rule, std::string_view text) {
    for (std::size_t i = 0; i < rule.names.size(); ++i) {
        if (same_letters(text, rule.names[i])) return rule.low + static_cast<int>(i);
    }
    const auto value = number(text);
    if (!value || *value < rule.low || *value > rule.high) {
        return refused(rule.name, fmt::format("\"{}\" is not one of {}", text, rule.allowed));
    }
    return *value;
}

struct Range {
    int first;
    int last;
};

// "*", "5" or "1-5"
Result<Range> range_of(const FieldRule& rule, std::string_view text) {
    if (text == "*") return Range{rule.low, rule.low + rule.values - 1};
    const std::size_t dash = text.find('-');
    const auto first = value_of(rule, text.substr(0, dash));
    if (!first) return tl::unexpected(first.error());
    if (dash == std::string_view::npos) return Range{*first, *first};
    const auto last = value_of(rule, text.substr(dash + 1));
    if (!last) return tl::unexpected(last.error());
    if (*first > *last) {
        return refused(rule.name,
                       fmt::format("\"{}\" runs backwards within {}", text, rule.allowed));
    }
    return Range{*first, *last};
}

Result<std::uint64_t> item_of(const FieldRule& rule, std::string_view text) {
    const std::size_t slash = text.find('/');
    const std::string_view range_text = text.substr(0, slash);
    const auto range = range_of(rule, range_text);
    if (!range) return tl::unexpected(range.error());
    int step = 1;
    if (slash != std::string_view::npos) {
        if (range_text != "*" && range_text.find('-') == std::string_view::npos) {
            return refused(rule.name,
                           fmt::format("\"{}\" has a step, but neither * nor a range of {}", text,
                                       rule.allowed));
        }
        step = number(text.substr(slash + 1)).value_or(0);
        if (step < 1 || step > rule.values) {
            return refused(rule.name,
                           fmt::format("the step of \"{}\" is not in 1..{}", text, rule.values));
        }
    }
    std::uint64_t bits = 0;
    for (int i = range->first; i <= range->last; i += step) bits |= std::uint64_t{1} << i;
    return bits;
}

Result<std::uint64_t> field_of(const FieldRule& rule, std::string_view text) {
    std::uint64_t bits = 0;
    for (std::size_t at = 0; at != std::string_view::npos;) {
        const std::size_t comma = text.find(',', at);
        const auto item = item_of(rule, text.substr(at, comma - at));
        if (!item) return item;
        bits |= *item;
        at = comma == std::string_view::npos ? comma : comma + 1;
    }
    return bits;
}

std::vector<std::string_view> words_of(std::string_view text) {
    constexpr std::string_view blanks = " \t";
    std::vector<std::string_view> words;
    for (std::size_t at = 0; (at = text.find_first_not_of(blanks, at)) != std::string_view::npos;) {
        const std::size_t end = std::min(text.find_first_of(blanks, at), text.size());
        words.push_back(text.substr(at, end - at));
        at = end;
    }
    return words;
}

template <class Set>
bool has(Set set, unsigned value) {
    return (set >> value & 1U) != 0;
}

bool is_day(const CronFields& fields, std::chrono::year_month_day date, local_days day) {
    const bool in_month = has(fields.days, static_cast<unsigned>(date.day()));
    const bool in_week = has(fields.weekdays, std::chrono::weekday(day).c_encoding());
    return fields.one_day_field_enough ? in_month || in_week : in_month && in_week;
}

std::optional<std::chrono::minutes> first_time(const CronFields& fields, int from) {
    const int hour = from / 60;
    if (has(fields.hours, static_cast<unsigned>(hour))) {
        const std::uint64_t rest = fields.minutes >> (from % 60);
        if (rest != 0) return std::chrono::minutes(from + std::countr_zero(rest));
    }
    const std::uint32_t later = fields.hours >> (hour + 1);
    if (later == 0) return std::nullopt;
    return std::chrono::hours(hour + 1 + std::countr_zero(later)) +
           std::chrono::minutes(std::countr_zero(fields.minutes));
}

// The calendar repeats itself after 400 years, its weekdays included.
bool recurs(const CronFields& fields) {
    using std::chrono::year;
    int barren = 0;
    for (int i = 2000; i < 2400 + barren_years_max && barren < barren_years_max; ++i) {
        const local_days first(year(i) / 1 / 1);
        const local_days next(year(i + 1) / 1 / 1);
        barren = first_match(fields, first, next) ? 0 : barren + 1;
    }
    return barren < barren_years_max;
}

}  // namespace

Result<CronFields> parse_cron_fields(std::string_view expression) {
    std::vector<std::string_view> words = words_of(expression);
    if (words.size() == 1 && words[0].front() == '@') {
        const auto* const known = std::ranges::find(shorthands, words[0], &Shorthand::name);
        if (known == shorthands.end()) {
            return refused("expression", fmt::format("\"{}\" is not one of @hourly, @daily, "
                                                     "@weekly, @monthly, @yearly",
                                                     words[0]));
        }
        words = words_of(known->fields);
    }
    if (words.size() != rules.size()) {
        return refused("expression", fmt::format("\"{}\" has {} fields, not the 5 of minute hour "
                                                 "day_of_month month day_of_week",
                                                 expression, words.size()));
    }
    std::array<std::uint64_t, rules.size()> bits{};
    for (std::size_t i = 0; i < rules.size(); ++i) {
        const auto field = field_of(rules[i], words[i]);
        if (!field) return tl::unexpected(field.error());
        bits[i] = *field;
    }
    CronFields fields;
    fields.minutes = bits[0];
    fields.hours = static_cast<std::uint32_t>(bits[1]);
    fields.days = static_cast<std::uint32_t>(bits[2]);
    fields.months = static_cast<std::uint32_t>(bits[3]);
    fields.weekdays = static_cast<std::uint32_t>((bits[4] | bits[4] >> 7) & 0x7F);
    fields.one_day_field_enough = words[2].front() != '*' && words[4].front() != '*';
    fields.by_elapsed_time = words[1].front() == '*';
    if (!recurs(fields)) {
        return refused("day_of_month", fmt::format("no day is \"{} {} {}\" (day_of_month month "
                                                   "day_of_week) in {} years",
                                                   words[2], words[3], words[4], barren_years_max));
    }
    return fields;
}

std::string join_cron_fields(std::string_view expression) {
    return fmt::format("{}", fmt::join(words_of(expression), " "));
}

std::optional<local_seconds> first_match(const CronFields& fields, local_seconds from,
                                         local_seconds until) {
    const auto minute = std::chrono::ceil<std::chrono::minutes>(from);
    auto day = std::chrono::floor<days>(minute);
    int start = static_cast<int>((minute - day).count());
    while (day < until) {
        const std::chrono::year_month_day date(day);
        if (!has(fields.months, static_cast<unsigned>(date.month()))) {
            const auto next_month = date.year() / date.month() + std::chrono::months(1);
            day = local_days(next_month / 1);
        } else {
            const auto time = is_day(fields, date, day) ? first_time(fields, start) : std::nullopt;
            if (time && day + *time >= until) return std::nullopt;
            if (time) return day + *time;
            day += days(1);
        }
        start = 0;
    }
    return std::nullopt;
}

}  // namespace loadstone::jobs::internal
