#pragma once
// learning's own: writes of learners. Each is one transaction.

#include <string>

#include "campus/learning/learning.h"
#include "loadstone/base/error.h"

namespace campus::learning {

inline constexpr std::int64_t attempts_max = 100;  // of a learner at one quiz

loadstone::Error course_is_full(const courses::Course& course);
loadstone::Error is_enrolled(courses::CourseId course);

struct NewEnrolment {
    courses::Course course;
    accounts::UserId user;
    std::string address;  // of the client, for the audit log
};
// A seat and the enrolment, or nothing. REQUIRES what stays true once it is: the course is
// published, and its prerequisites are completed. Throws course_is_full() or is_enrolled().
loadstone::Task<loadstone::Timestamp> enrol(loadstone::Tx& tx, NewEnrolment in);
// The seat is free again; progress, attempts and grade are kept. Errc::not_found.
loadstone::Task<void> leave(loadstone::Tx& tx, courses::CourseId course, accounts::UserId user,
                            std::string address);

loadstone::Error not_enrolled(courses::CourseId course);

struct Ping {
    courses::Lesson lesson;
    accounts::UserId user;
    std::int64_t position_s = 0;  // 0..lesson.length_s; there it is completed
};
// Gives the greatest position there has been. With the last lesson the course is completed.
// Errc::permission_denied: not enrolled. Pings that complete nothing may go together (pings.h).
loadstone::Task<std::int64_t> note_progress(loadstone::Tx& tx, Ping ping);

struct NewAttempt {
    courses::Quiz quiz;
    accounts::UserId user;
    std::int64_t points = 0;  // 0..quiz.points_max
};
struct RecordedAttempt {
    std::int64_t attempts = 0;  // with this one
    std::int64_t best = 0;      // points
};
BOOST_DESCRIBE_STRUCT(RecordedAttempt, (), (attempts, best))
// Errc::permission_denied: not enrolled; conflict: there are attempts_max. (Those of the
// same moment may be more.)
loadstone::Task<RecordedAttempt> record_attempt(loadstone::Tx& tx, NewAttempt attempt);

}  // namespace campus::learning
