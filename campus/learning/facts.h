#pragma once
// What learners do, for analytics: recorded in the transactions of commands.cc.

#include "campus/learning/learning.h"
#include "loadstone/module/module.h"

namespace campus::learning {

struct Activity {
    loadstone::Timestamp happened_at;
    courses::CourseId course;
    accounts::UserId learner;
    // enrolled, left, lesson_completed, quiz_attempted, course_completed; active: what a learner
    // did first on a day (UTC) in a course was done then, a lesson that went on or an attempt.
    std::string kind;
    std::optional<courses::LessonId> lesson;
    std::optional<courses::QuizId> quiz;
    std::optional<std::int64_t> points;
    std::optional<std::int64_t> points_max;  // that the quiz has; null of older attempts
};
BOOST_DESCRIBE_STRUCT(Activity, (),
                      (happened_at, course, learner, kind, lesson, quiz, points, points_max))

Activity activity(loadstone::Timestamp at, courses::CourseId course, accounts::UserId learner,
                  const char* kind);

void facts(loadstone::Facts& facts);

}  // namespace campus::learning
