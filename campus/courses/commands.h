#pragma once
// courses' own: writes. Each is one transaction. Errc::not_found: there is no such course;
// permission_denied: it is another instructor's.

#include <string>
#include <vector>

#include "campus/courses/courses.h"

namespace campus::courses {

struct NewCourse {
    std::string title, description;
    accounts::UserId instructor;
    std::int64_t capacity = 0;
    std::vector<CourseId> prerequisites;  // each once
    std::string address;                  // of the client, for the audit log
};
// A draft, of the organisation of its instructor. Errc::invalid_argument if one of the
// prerequisites is not published; permission_denied: a learner of an organisation.
loadstone::Task<CourseId> create_course(loadstone::Tx& tx, NewCourse course);

struct NewLesson {
    CourseId course;
    accounts::UserId instructor;
    std::string title;
    std::int64_t length_s = 0;
};
// Behind the last one. Errc::conflict: there are lessons_max.
loadstone::Task<LessonId> add_lesson(loadstone::Tx& tx, NewLesson lesson);

struct NewQuiz {
    CourseId course;
    LessonId lesson;  // of this course
    accounts::UserId instructor;
    std::string title;
    std::int64_t points_max = 0, weight = 0;
};
// Errc::conflict: there are quizzes_max.
loadstone::Task<QuizId> add_quiz(loadstone::Tx& tx, NewQuiz quiz);

// Nothing if it is published already. Errc::conflict: it has no lesson.
loadstone::Task<void> publish_course(loadstone::Tx& tx, CourseId course,
                                     accounts::UserId instructor, std::string address);

}  // namespace campus::courses
