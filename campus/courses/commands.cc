#include "campus/courses/commands.h"

#include <fmt/core.h>

#include <utility>

#include "campus/audit/audit.h"
#include "campus/courses/sql.h"
#include "campus/courses/title_key.h"
#include "loadstone/base/error.h"

namespace campus::courses {

using namespace loadstone;

namespace {

Task<Course> own_course(Tx& tx, CourseId id, accounts::UserId instructor) {
    const auto course = co_await course_by_id(tx, id);
    if (!course || (!course->is_published() && course->instructor_id != instructor))
        throw Error(Errc::not_found, fmt::format("there is no course {}", id.value));
    if (course->instructor_id != instructor)
        throw Error(Errc::permission_denied,
                    fmt::format("course {} is another instructor's", id.value));
    co_return *course;
}

// Who is in none teaches alone.
Task<std::optional<organisations::OrganisationId>> organisation_of_new(
    Tx& tx, accounts::UserId instructor) {
    const auto member = co_await organisations::membership(tx, instructor);
    if (!member) co_return std::nullopt;
    organisations::require(*member, organisations::Role::instructor);
    co_return member->organisation;
}

}  // namespace

Task<CourseId> create_course(Tx& tx, NewCourse course) {
    const auto organisation = co_await organisation_of_new(tx, course.instructor);
    const Timestamp now = Timestamp::now();
    const std::string key = title_key(course.title);
    const CourseId id =
        co_await sql::insert_course(tx, course.title, key, course.description, course.instructor,
                                    organisation, course.capacity, now);
    if (!course.prerequisites.empty()) {
        const auto taken = co_await sql::insert_prerequisites(tx, id, course.prerequisites);
        if (taken != course.prerequisites.size())
            throw Error(Errc::invalid_argument, "must be published courses")
                .with_field("prerequisites");
    }
    std::string detail = fmt::format("course {} was made", id.value);
    co_await audit::append(tx, course.instructor.value, "course.created", std::move(detail),
                           course.address);
    co_return id;
}

Task<LessonId> add_lesson(Tx& tx, NewLesson lesson) {
    const Course course = co_await own_course(tx, lesson.course, lesson.instructor);
    const auto number = co_await sql::count_lesson(tx, course.id, lessons_max);
    if (!number)
        throw Error(Errc::conflict, fmt::format("course {} has {} lessons, the limit",
                                                course.id.value, lessons_max));
    co_return co_await sql::insert_lesson(tx, course.id, *number, lesson.title, lesson.length_s);
}

Task<QuizId> add_quiz(Tx& tx, NewQuiz quiz) {
    const Course course = co_await own_course(tx, quiz.course, quiz.instructor);
    const auto lesson = co_await lesson_by_id(tx, quiz.lesson);
    if (!lesson || lesson->course_id != course.id)
        throw Error(Errc::not_found,
                    fmt::format("course {} has no lesson {}", course.id.value, quiz.lesson.value));
    const auto counted = co_await sql::count_quiz(tx, course.id, quizzes_max);
    if (counted == 0)
        throw Error(Errc::conflict, fmt::format("course {} has {} quizzes, the limit",
                                                course.id.value, quizzes_max));
    co_return co_await sql::insert_quiz(tx, course.id, lesson->id, quiz.title, quiz.points_max,
                                        quiz.weight);
}

Task<void> publish_course(Tx& tx, CourseId id, accounts::UserId instructor, std::string address) {
    const Course course = co_await own_course(tx, id, instructor);
    if (course.is_published()) co_return;
    const Timestamp now = Timestamp::now();
    const auto published = co_await sql::publish_course(tx, id, now);
    if (published == 0)
        throw Error(Errc::conflict, fmt::format("course {} has no lesson yet", id.value));
    std::string detail = fmt::format("course {} was published", id.value);
    co_await audit::append(tx, instructor.value, "course.published", std::move(detail),
                           std::move(address));
}

}  // namespace campus::courses
