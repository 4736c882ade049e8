#include "campus/learning/commands.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "campus/audit/audit.h"
#include "campus/learning/activity.h"
#include "campus/learning/facts.h"
#include "campus/learning/sql.h"
#include "campus/learning/views.h"
#include "loadstone/base/error.h"

namespace campus::learning {

using namespace loadstone;

namespace {

Task<void> note(Tx& tx, courses::CourseId course, accounts::UserId user, const char* action,
                const char* what, std::string address) {
    audit::Event event;
    event.user = user.value;
    event.action = action;
    event.detail = fmt::format("course {} was {}", course.value, what);
    event.address = std::move(address);
    co_await audit::append(tx, std::move(event));
}

Task<sql::EnrolmentRow> require_enrolment(Tx& tx, courses::CourseId course, accounts::UserId user) {
    const auto found = co_await sql::enrolment(tx, course, user);
    if (!found) throw not_enrolled(course);
    co_return *found;
}

}  // namespace

Error course_is_full(const courses::Course& course) {
    return {Errc::conflict, fmt::format("course {} is full: all {} seats are taken",
                                        course.id.value, course.capacity)};
}

Error is_enrolled(courses::CourseId course) {
    return {Errc::already_exists,
            fmt::format("you are enrolled in course {} already", course.value)};
}

Error not_enrolled(courses::CourseId course) {
    return {Errc::permission_denied,
            fmt::format("you are not enrolled in course {}", course.value)};
}

// Two that take a seat of a course at once: on PostgreSQL the statement of the second one fails and
// its transaction runs again, with what the first has left. So it is short, and the seat comes
// first.
Task<Timestamp> enrol(Tx& tx, NewEnrolment in) {
    const auto got = co_await sql::take_seat(tx, in.course.id, in.course.capacity);
    if (got == 0) throw course_is_full(in.course);
    const auto at = co_await sql::insert_enrolment(tx, in.course.id, in.user);
    if (!at) throw is_enrolled(in.course.id);
    cache::add(tx, enrolled_in_course, in.course.id, 1, in.course.organisation_id);
    const Activity fact = activity(*at, in.course.id, in.user, "enrolled");
    co_await analytics::record(tx, fact);
    co_await note(tx, in.course.id, in.user, "course.enrolled", "begun", std::move(in.address));
    co_return *at;
}

Task<void> leave(Tx& tx, courses::CourseId course, accounts::UserId user, std::string address) {
    const std::string nowhere = fmt::format("you are not enrolled in course {}", course.value);
    const auto enrolment = co_await sql::enrolment(tx, course, user);
    if (!enrolment) throw Error(Errc::not_found, nowhere);
    const auto left = co_await courses::course_by_id(tx, course);
    if (!left) throw Error(Errc::not_found, nowhere);
    co_await sql::free_seat(tx, course);
    const auto removed = co_await sql::remove_enrolment(tx, course, user);
    // That gives the seat back too.
    if (removed == 0) throw Error(Errc::not_found, nowhere);
    cache::add(tx, enrolled_in_course, course, -1, left->organisation_id);
    const Timestamp now = Timestamp::now();
    co_await sql::note_departure(tx, course, user, enrolment->enrolled_at, now);
    const Activity fact = activity(now, course, user, "left");
    co_await analytics::record(tx, fact);
    co_await note(tx, course, user, "course.left", "left", std::move(address));
}

Task<std::int64_t> note_progress(Tx& tx, Ping ping) {
    const courses::Lesson& lesson = ping.lesson;
    const auto enrolment = co_await require_enrolment(tx, lesson.course_id, ping.user);
    const Timestamp now = Timestamp::now();
    const auto raised = co_await sql::raise_position(tx, ping.user, lesson.course_id, lesson.id,
                                                     ping.position_s, now);
    if (raised == 0) co_return co_await sql::position(tx, ping.user, lesson.course_id, lesson.id);
    std::int64_t completed = 0;
    if (ping.position_s >= lesson.length_s)
        completed = co_await sql::complete_lesson(tx, ping.user, lesson.course_id, lesson.id, now);
    const Done done{.at = now, .lessons = completed, .attempts = 0};
    co_await note_activity(tx, enrolment, done);
    if (completed == 0) co_return ping.position_s;
    Activity fact = activity(now, lesson.course_id, ping.user, "lesson_completed");
    fact.lesson = lesson.id;
    co_await analytics::record(tx, fact);
    const auto lessons = co_await sql::count_completed(tx, lesson.course_id, ping.user);
    const auto course = co_await courses::course_by_id(tx, lesson.course_id);
    if (!course || lessons < course->lesson_count) co_return ping.position_s;
    const auto first = co_await sql::insert_completion(tx, ping.user, lesson.course_id, now);
    if (first == 0) co_return ping.position_s;
    cache::add(tx, completions_of_course, lesson.course_id, 1);
    cache::include(tx, first_completion_of_course, lesson.course_id, now.micros);
    cache::include(tx, last_completion_of_course, lesson.course_id, now.micros);
    const Activity end = activity(now, lesson.course_id, ping.user, "course_completed");
    co_await analytics::record(tx, end);
    co_return ping.position_s;
}

Task<RecordedAttempt> record_attempt(Tx& tx, NewAttempt attempt) {
    const courses::Quiz& quiz = attempt.quiz;
    const auto enrolment = co_await require_enrolment(tx, quiz.course_id, attempt.user);
    auto recorded = co_await sql::attempts_of_quiz(tx, quiz.course_id, attempt.user, quiz.id);
    if (recorded.attempts >= attempts_max)
        throw Error(Errc::conflict, fmt::format("quiz {} was attempted {} times, the limit",
                                                quiz.id.value, recorded.attempts));
    const Timestamp at = co_await sql::insert_attempt(tx, quiz.course_id, attempt.user, quiz.id,
                                                      attempt.points, quiz.points_max);
    const Done done{.at = at, .lessons = 0, .attempts = 1};
    co_await note_activity(tx, enrolment, done);
    Activity fact = activity(at, quiz.course_id, attempt.user, "quiz_attempted");
    fact.quiz = quiz.id;
    fact.points = attempt.points;
    fact.points_max = quiz.points_max;
    co_await analytics::record(tx, fact);
    ++recorded.attempts;
    recorded.best = std::max(recorded.best, attempt.points);
    co_return recorded;
}

}  // namespace campus::learning
