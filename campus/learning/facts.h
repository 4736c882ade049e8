#pragma once
// What learners do, for analytics: recorded in the transactions of commands.cc.

#include "campus/learning/learning.h"
#include "loadstone/module/module.h"

namespace campus::learning {

struct Activity {
    loadstone::Timestamp happened_at;
    courses::CourseId course;
    accounts::UserId learner;
    std::string kind;  // enrolled, left, lesson_completed, quiz_attempted, course_completed
    std::optional<courses::LessonId> lesson;
    std::optional<courses::QuizId> quiz;
    std::optional<std::int64_t> points;
    std::optional<std::int64_t> points_max;  // that the quiz has; null of older attempts
};
BOOST_DESCRIBE_STRUCT(Activity, (),
                      (happened_at, course, learner, kind, lesson, quiz, points, points_max))

void facts(loadstone::Facts& facts);

}  // namespace campus::learning
