#pragma once
// courses: what is taught. A course has lessons in order, a lesson has quizzes, and a course may
// require that others are completed first. Only its instructor changes it; once published it stays
// so. It belongs to the organisation in which its instructor made it, if they were in one. Capacity
// and prerequisites are said when it is made, so prerequisites have no cycles.

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "campus/accounts/accounts.h"
#include "campus/organisations/organisations.h"
#include "loadstone/base/describe.h"
#include "loadstone/base/id.h"
#include "loadstone/module/module.h"

namespace campus::courses {

loadstone::Module module();

struct CourseTag {};
using CourseId = loadstone::Id<CourseTag>;
struct LessonTag {};
using LessonId = loadstone::Id<LessonTag>;
struct QuizTag {};
using QuizId = loadstone::Id<QuizTag>;

inline constexpr std::int64_t capacity_max = 1'000'000;
inline constexpr std::int64_t lessons_max = 500;  // of a course
inline constexpr std::int64_t quizzes_max = 200;  // of a course
inline constexpr std::int64_t points_max_max = 10'000;
inline constexpr std::int64_t weight_max = 1'000;

// What is published is shown as it was so long ago at most, to who has seen nothing newer; rather
// older, and marked, than not at all while neither a replica nor the primary can do better.
inline constexpr std::chrono::seconds catalogue_age_max{5};
inline constexpr std::chrono::hours catalogue_stale_max{1};

struct Course {
    CourseId id;
    std::string title;
    accounts::UserId instructor_id;
    std::int64_t capacity = 0;  // learners at a time
    std::int64_t lesson_count = 0;
    std::string state;  // draft, published
    std::optional<organisations::OrganisationId> organisation_id{};

    bool is_published() const { return state == "published"; }
};
BOOST_DESCRIBE_STRUCT(Course, (),
                      (id, title, instructor_id, capacity, lesson_count, state, organisation_id))
loadstone::Task<std::optional<Course>> course_by_id(loadstone::Reader reader, CourseId id);

// What must be completed before `course` is begun.
loadstone::Task<std::vector<CourseId>> prerequisites(loadstone::Reader reader, CourseId course);

struct Lesson {
    LessonId id;
    CourseId course_id;
    std::int64_t number = 0;  // from 1, without gaps
    std::string title;
    std::int64_t length_s = 0;
};
BOOST_DESCRIBE_STRUCT(Lesson, (), (id, course_id, number, title, length_s))
loadstone::Task<std::optional<Lesson>> lesson_by_id(loadstone::Reader reader, LessonId id);
// In order.
loadstone::Task<std::vector<Lesson>> lessons(loadstone::Reader reader, CourseId course);

struct Quiz {
    QuizId id;
    CourseId course_id;
    LessonId lesson_id;
    std::string title;
    std::int64_t points_max = 0;  // 1..points_max_max
    std::int64_t weight = 0;      // in the grade, relative to the others; 0: only for practice
};
BOOST_DESCRIBE_STRUCT(Quiz, (), (id, course_id, lesson_id, title, points_max, weight))
loadstone::Task<std::optional<Quiz>> quiz_by_id(loadstone::Reader reader, QuizId id);
// By id.
loadstone::Task<std::vector<Quiz>> quizzes(loadstone::Reader reader, CourseId course);

struct CoursesPage {
    std::vector<Course> courses;  // newest first, drafts too
    std::optional<CourseId> next_before;
};
BOOST_DESCRIBE_STRUCT(CoursesPage, (), (courses, next_before))
// Those of an instructor before `before`.
loadstone::Task<CoursesPage> courses_of_instructor(loadstone::Reader reader,
                                                   accounts::UserId instructor,
                                                   std::optional<CourseId> before, int limit);

// Those of an organisation before `before`.
loadstone::Task<CoursesPage> courses_of_organisation(loadstone::Reader reader,
                                                     organisations::OrganisationId organisation,
                                                     std::optional<CourseId> before, int limit);
// Those of `ids` that there are, by id.
loadstone::Task<std::vector<Course>> courses_by_id(loadstone::Reader reader,
                                                   std::vector<CourseId> ids);

struct CourseSize {
    CourseId id;
    std::int64_t lesson_count = 0;
};
BOOST_DESCRIBE_STRUCT(CourseSize, (), (id, lesson_count))
// The newest of an organisation, `limit` at most; drafts too.
loadstone::Task<std::vector<CourseSize>> sizes_of_organisation(
    loadstone::Reader reader, organisations::OrganisationId organisation, int limit);

// The same from the cache, for dashboards.
loadstone::Task<CoursesPage> courses_of_instructor(loadstone::Context& context,
                                                   accounts::UserId instructor,
                                                   std::optional<CourseId> before, int limit);
loadstone::Task<CoursesPage> courses_of_organisation(loadstone::Context& context,
                                                     organisations::OrganisationId organisation,
                                                     std::optional<CourseId> before, int limit);
loadstone::Task<std::vector<Course>> courses_by_id(loadstone::Context& context,
                                                   std::vector<CourseId> ids);
loadstone::Task<std::vector<CourseSize>> sizes_of_organisation(
    loadstone::Context& context, organisations::OrganisationId organisation, int limit);

// A course and the titles of its lessons, from the cache. Whose it is stays, so an answer that is
// as old as the session may be shown decides no less well.
struct Outline {
    CourseId id;
    std::string title;
    accounts::UserId instructor_id;
    std::string state;
    struct Item {
        LessonId id;
        std::int64_t number = 0;
        std::string title;
    };
    std::vector<Item> lessons;  // in order
};
BOOST_DESCRIBE_STRUCT(Outline::Item, (), (id, number, title))
BOOST_DESCRIBE_STRUCT(Outline, (), (id, title, instructor_id, state, lessons))
loadstone::Task<std::optional<Outline>> outline(loadstone::Reader reader, CourseId id);

// What `campus seed` makes: a course with all that it has.
struct SeededQuiz {
    std::string title;
    std::int64_t points_max = 1, weight = 0;
};
struct SeededLesson {
    std::string title;
    std::int64_t length_s = 1;
    std::optional<SeededQuiz> quiz;
};
struct SeededCourse {
    std::string title;  // no two of one call have the same, nor differ in the case of letters alone
    std::string description;
    accounts::UserId instructor_id;
    std::optional<organisations::OrganisationId> organisation_id;  // the instructor's
    std::int64_t capacity = 1;
    loadstone::Timestamp created_at;
    std::optional<loadstone::Timestamp> published_at;  // none: a draft
    std::vector<SeededLesson> lessons;                 // 1..lessons_max
};
struct SeededOutline {
    CourseId id;
    std::vector<Lesson> lessons;  // in order
    std::vector<Quiz> quizzes;    // by id
};
BOOST_DESCRIBE_STRUCT(SeededOutline, (), (id, lessons, quizzes))
// In the order of `courses`.
loadstone::Task<std::vector<SeededOutline>> seed_courses(loadstone::Tx& tx,
                                                         std::vector<SeededCourse> courses);
struct SeededPrerequisite {
    CourseId course_id, required_id;
};
BOOST_DESCRIBE_STRUCT(SeededPrerequisite, (), (course_id, required_id))
// REQUIRES published courses, without a cycle.
loadstone::Task<void> seed_prerequisites(loadstone::Tx& tx, std::vector<SeededPrerequisite> all);

}  // namespace campus::courses
