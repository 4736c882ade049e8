#include "campus/courses/queries.h"

#include "campus/courses/sql.h"
#include "campus/courses/title_key.h"

namespace campus::courses {

using namespace loadstone;

Task<std::optional<Course>> course_by_id(Reader reader, CourseId id) {
    co_return co_await reader.maybe<Course>(sql::course_by_id, id);
}

Task<std::optional<Course>> course_by_id(Tx& tx, CourseId id) {
    co_return co_await tx.maybe<Course>(sql::course_by_id, id);
}

Task<std::vector<CourseId>> prerequisites(Reader reader, CourseId course) {
    co_return co_await reader.many<CourseId>(sql::prerequisites, course);
}

Task<std::optional<Lesson>> lesson_by_id(Reader reader, LessonId id) {
    co_return co_await reader.maybe<Lesson>(sql::lesson_by_id, id);
}

Task<std::vector<Lesson>> lessons(Reader reader, CourseId course) {
    co_return co_await reader.many<Lesson>(sql::lessons, course);
}

Task<std::optional<Quiz>> quiz_by_id(Reader reader, QuizId id) {
    co_return co_await reader.maybe<Quiz>(sql::quiz_by_id, id);
}

Task<std::vector<Quiz>> quizzes(Reader reader, CourseId course) {
    co_return co_await reader.many<Quiz>(sql::quizzes, course);
}

Task<std::vector<Quiz>> quizzes(Tx& tx, CourseId course) {
    co_return co_await tx.many<Quiz>(sql::quizzes, course);
}

Task<std::optional<PlaceInCatalogue>> place_in_catalogue(Reader reader, CourseId id) {
    co_return co_await reader.maybe<PlaceInCatalogue>(sql::place_in_catalogue, id);
}

Task<std::vector<CatalogueRow>> catalogue(Reader reader, std::string prefix,
                                          std::optional<PlaceInCatalogue> after, int limit) {
    const std::string begin = title_key(prefix);
    const std::string end = end_of_prefix(begin);
    // No course has the id 0, so this is before the first.
    const PlaceInCatalogue before_all{begin, CourseId(0)};
    const bool is_inside = after && after->title_key >= begin;
    const PlaceInCatalogue place = is_inside ? *after : before_all;
    co_return co_await reader.many<CatalogueRow>(sql::catalogue, place.title_key, place.id, end,
                                                 limit);
}

Task<std::optional<CoursePageRow>> course_page(Reader reader, CourseId id) {
    co_return co_await reader.maybe<CoursePageRow>(sql::course_page, id);
}

Task<std::vector<RequiredCourse>> required_courses(Reader reader, CourseId course) {
    co_return co_await reader.many<RequiredCourse>(sql::required_courses, course);
}

}  // namespace campus::courses
