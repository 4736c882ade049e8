#include "campus/learning/activity.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "campus/learning/facts.h"
#include "campus/learning/sql.h"

namespace campus::learning {

using namespace loadstone;

namespace {

using DayKey = std::tuple<courses::CourseId, std::int64_t, accounts::UserId>;

SeededDay& at(std::map<DayKey, SeededDay>& days, courses::CourseId course, accounts::UserId user,
              Timestamp time) {
    const DayKey key(course, day_of(time), user);
    const auto [place, is_new] = days.try_emplace(key);
    SeededDay& day = place->second;
    if (is_new) day = {course, day_of(time), user, time, 0, 0};
    day.active_at = std::min(day.active_at, time);
    return day;
}

}  // namespace

std::vector<SeededDay> days_of(const SeededLearning& learning) {
    std::map<DayKey, SeededDay> days;
    for (const SeededProgress& each : learning.progress) {
        at(days, each.course_id, each.user_id, each.updated_at);
        if (each.completed_at) ++at(days, each.course_id, each.user_id, *each.completed_at).lessons;
    }
    for (const SeededAttempt& each : learning.attempts)
        ++at(days, each.course_id, each.user_id, each.attempted_at).attempts;
    std::vector<SeededDay> all;
    for (const auto& [key, day] : days) all.push_back(day);
    return all;
}

void note_last_days(std::vector<SeededEnrolment>& enrolments, const std::vector<SeededDay>& days) {
    std::map<std::pair<courses::CourseId, accounts::UserId>, std::int64_t> last;
    for (const SeededDay& each : days) {
        std::int64_t& day = last[{each.course_id, each.user_id}];
        day = std::max(day, each.day);
    }
    for (SeededEnrolment& each : enrolments) {
        const auto found = last.find({each.course_id, each.user_id});
        if (found != last.end()) each.active_day = found->second;
    }
}

// A day later than that of `done` may be noted already, by a server whose clock is ahead.
Task<void> note_activity(Tx& tx, sql::EnrolmentRow enrolment, Done done) {
    const courses::CourseId course = enrolment.course_id;
    const accounts::UserId user = enrolment.user_id;
    const std::int64_t day = day_of(done.at);
    const bool adds = done.lessons > 0 || done.attempts > 0;
    if (enrolment.active_day >= day) {
        if (!adds) co_return;
        const auto added =
            co_await sql::add_to_active_day(tx, course, day, user, done.lessons, done.attempts);
        if (added > 0) co_return;
    }
    const auto begun =
        co_await sql::begin_active_day(tx, course, day, user, done.at, done.lessons, done.attempts);
    if (begun == 0 && adds)
        co_await sql::add_to_active_day(tx, course, day, user, done.lessons, done.attempts);
    if (enrolment.active_day < day) co_await sql::note_active_day(tx, course, user, day);
    if (begun == 0) co_return;
    const Activity fact = activity(done.at, course, user, "active");
    co_await analytics::record(tx, fact);
}

}  // namespace campus::learning
