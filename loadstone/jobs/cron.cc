#include "loadstone/jobs/cron.h"

#include <date/tz.h>
#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace loadstone::jobs {

namespace {

using internal::CronFields;
using std::chrono::local_seconds;
using std::chrono::microseconds;
using std::chrono::seconds;
using std::chrono::sys_seconds;

// More than the years that may pass without a firing (barren_years_max), and what is left of the
// two around them.
constexpr std::chrono::years search_max{10};

constexpr std::size_t quoted_max = 64;  // bytes of a refused zone's name

// A time in which the local clock runs evenly.
struct Period {
    sys_seconds begin;
    sys_seconds end;
    seconds offset;         // of the local clock from UTC
    seconds offset_before;  // the one that ended at `begin`
};

Period period_at(const date::time_zone& zone, sys_seconds time) {
    const date::sys_info info = zone.get_info(time);
    const date::sys_info before = zone.get_info(info.begin - seconds(1));
    return {info.begin, info.end, info.offset, before.offset};
}

local_seconds to_local(sys_seconds time, seconds offset) {
    return local_seconds(time.time_since_epoch() + offset);
}

// The first firing in [from, until), which lies in the period.
std::optional<sys_seconds> firing_in(const CronFields& fields, const Period& period,
                                     sys_seconds from, sys_seconds until) {
    local_seconds first = to_local(from, period.offset);
    if (!fields.by_elapsed_time) {
        // Local times up to where the clock would have been are skipped, or are repeats.
        const local_seconds unchanged = to_local(period.begin, period.offset_before);
        if (from == period.begin && internal::first_match(fields, unchanged, first)) return from;
        first = std::max(first, unchanged);
    }
    const auto match = internal::first_match(fields, first, to_local(until, period.offset));
    if (!match) return std::nullopt;
    return sys_seconds(match->time_since_epoch() - period.offset);
}

// nullptr if there is none of that name.
const date::time_zone* find_zone(const std::string& name) {
    // It stands among the files, but is what this machine is set to.
    if (name == "localtime") return nullptr;
    try {
        const date::time_zone* const zone = date::locate_zone(name);
        // The first call reads the zone's file: a broken one fails here and not later.
        static_cast<void>(zone->get_info(sys_seconds{}));
        return zone;
    } catch (const std::exception&) {
        return nullptr;
    }
}

// The last firing up to `now`; `first`, one of them, if there is no other.
Timestamp latest_firing(const Schedule& schedule, Timestamp first, Timestamp now) {
    Timestamp latest = first;
    // The firing behind `high` is after now.
    for (Timestamp high = now; latest < high;) {
        const Timestamp middle = latest + (high - latest) / 2;
        const Timestamp firing = schedule.next_after(middle);
        if (firing > now) {
            high = middle;
        } else {
            latest = firing;
        }
    }
    return latest;
}

}  // namespace

Result<Schedule> Schedule::parse(std::string_view expression, std::string_view zone) {
    if (expression.size() > expression_bytes_max) {
        return failure(Error(Errc::invalid_argument,
                             fmt::format("cron: expression: has {} bytes, at most {} are read",
                                         expression.size(), expression_bytes_max))
                           .with_field("expression"));
    }
    auto fields = internal::parse_cron_fields(expression);
    if (!fields) return tl::unexpected(std::move(fields.error()));
    Schedule schedule;
    schedule.fields_ = *fields;
    schedule.expression_ = internal::join_cron_fields(expression);
    schedule.zone_name_ = zone;
    schedule.zone_ = find_zone(schedule.zone_name_);
    if (schedule.zone_ == nullptr) {
        return failure(Error(Errc::invalid_argument,
                             fmt::format("cron: zone: \"{}\" is not one of /usr/share/zoneinfo, as "
                                         "Europe/Berlin and UTC are",
                                         zone.substr(0, quoted_max)))
                           .with_field("zone"));
    }
    return schedule;
}

Timestamp Schedule::next_after(Timestamp time) const {
    if (time >= timestamp_text_max) return never;
    const std::chrono::sys_time<microseconds> behind(
        microseconds(std::max(time, timestamp_text_min).micros));
    const sys_seconds from = std::chrono::floor<seconds>(behind) + seconds(1);
    const sys_seconds until = from + search_max;
    for (sys_seconds at = from; at < until;) {
        const Period period = period_at(*zone_, at);
        const auto firing = firing_in(fields_, period, at, std::min(period.end, until));
        if (firing) {
            const Timestamp found{microseconds(firing->time_since_epoch()).count()};
            return found <= timestamp_text_max ? found : never;
        }
        at = period.end;
    }
    return never;
}

std::string to_string(const Schedule& schedule) {
    return schedule.expression() + " " + schedule.zone();
}

std::vector<Timestamp> due_firings(const Schedule& schedule, Timestamp last, Timestamp now,
                                   MissedFire policy, std::size_t max, microseconds grace) {
    last = std::max(last, timestamp_text_min);
    now = std::min(now, timestamp_text_max);
    std::vector<Timestamp> due;
    if (now <= last) return due;
    if (policy == MissedFire::skip && grace < now - last) last = now - grace - microseconds(1);
    Timestamp next = schedule.next_after(last);
    if (policy == MissedFire::once && next <= now) next = latest_firing(schedule, next, now);
    for (; next <= now && due.size() < max; next = schedule.next_after(next)) due.push_back(next);
    return due;
}

}  // namespace loadstone::jobs
