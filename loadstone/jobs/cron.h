#pragma once
// When a recurring job fires, and what is made up of firings that were missed. Pure, but for the
// rules of the time zones.
//
//   expression = minute hour day_of_month month day_of_week          with blanks between them
//              | "@hourly" | "@daily" | "@weekly" | "@monthly" | "@yearly"
//   field      = item {"," item}
//   item       = "*" ["/" step] | value "-" value ["/" step] | value
//
// minute 0..59, hour 0..23, day_of_month 1..31, month 1..12 or jan..dec, day_of_week 0..7 or
// sun..sat in any case, where 0 and 7 are sunday; a step is 1 to the number of a field's values.
//
// Days, as in crontab(5): if neither day_of_month nor day_of_week begins with "*", a day needs to
// be in one of them only ("0 0 13 * fri": each 13th and each friday); else it must be in both.
//
// Where the local clock is put forward or back:
// - An hour that does not begin with "*" is a time of day. One that is skipped fires at the first
//   instant behind the gap, once for all that are skipped; one that comes twice fires the first
//   time.
// - An hour that begins with "*" is an interval: it fires at each minute whose local time matches,
//   so neither for what is skipped nor once for what comes twice. "*/15 * * * *" keeps on firing
//   each 15 minutes.
// cronie, which this follows, takes a minute that begins with "*" for an interval too: "*/15 2 * *
// *" would not fire on the day whose 2 to 3 is skipped. Here it does, once.
//
// The zones are those of /usr/share/zoneinfo, read by libdate-tz: the list once per process and a
// zone when it is first named, so that new rules count after a restart. The library uses the
// transitions that the files list, which Debian's do up to 2037, and not the rule for later ones:
// from then on a zone keeps its standard time.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "loadstone/base/result.h"
#include "loadstone/base/timestamp.h"
#include "loadstone/jobs/internal/cron_fields.h"

namespace date {
class time_zone;  // NOLINT(readability-identifier-naming)
}

namespace loadstone::jobs {

// A value; its functions may be called from any thread.
class Schedule {
public:
    static constexpr std::size_t expression_bytes_max = 512;
    // Behind every firing.
    static constexpr Timestamp never{std::numeric_limits<std::int64_t>::max()};

    // `zone` is an IANA name ("Europe/Berlin", "UTC"), in its own case. Errc::invalid_argument, its
    // field() the part at fault: what is outside its range, an unknown zone, and days that do not
    // come in 8 years in a row (30 february).
    static Result<Schedule> parse(std::string_view expression, std::string_view zone);

    // The first firing behind `time`: a whole second, and a whole minute of the local clock, or
    // the end of a gap. `never` if it would be after the year 9999, or none comes in 10 years: an
    // interval whose every hour is skipped.
    Timestamp next_after(Timestamp time) const;

    // As parsed, with one space between the fields.
    const std::string& expression() const noexcept { return expression_; }
    const std::string& zone() const noexcept { return zone_name_; }

    friend bool operator==(const Schedule& a, const Schedule& b) {
        return a.expression_ == b.expression_ && a.zone_name_ == b.zone_name_;
    }

private:
    Schedule() = default;

    internal::CronFields fields_;
    const date::time_zone* zone_ = nullptr;  // the library's, which keeps it
    std::string expression_;
    std::string zone_name_;
};

// "0 3 * * mon-fri Europe/Berlin"
std::string to_string(const Schedule& schedule);

// What becomes of firings that nobody was there for.
enum class MissedFire {
    skip,  // nothing: only those that are at most `grace` late fire
    once,  // one firing, the latest, stands for all
    all,   // each fires, the oldest first
};

// The firings to enqueue, oldest first, at most `max`: of those in (last, now]. `last` is the
// firing that was enqueued last, or when the schedule began. Whoever keeps `last` before the next
// call gets no firing twice, also if the clock has gone back in between.
std::vector<Timestamp> due_firings(const Schedule& schedule, Timestamp last, Timestamp now,
                                   MissedFire policy, std::size_t max,
                                   std::chrono::microseconds grace = std::chrono::minutes(1));

}  // namespace loadstone::jobs
