#include "campus/courses/queries.h"

#include "campus/courses/title_key.h"

namespace campus::courses {

using namespace loadstone;

Task<std::optional<Course>> course_by_id(Reader reader, CourseId id) {
    return sql::course_by_id(reader, id);
}

Task<std::vector<CourseId>> prerequisites(Reader reader, CourseId course) {
    return sql::prerequisites(reader, course);
}

Task<std::optional<Lesson>> lesson_by_id(Reader reader, LessonId id) {
    return sql::lesson_by_id(reader, id);
}

Task<std::vector<Lesson>> lessons(Reader reader, CourseId course) {
    return sql::lessons(reader, course);
}

Task<std::optional<Quiz>> quiz_by_id(Reader reader, QuizId id) {
    return sql::quiz_by_id(reader, id);
}

Task<std::vector<Quiz>> quizzes(Reader reader, CourseId course) {
    return sql::quizzes(reader, course);
}

Task<sql::CataloguePage> catalogue(Reader reader, std::string prefix, int limit,
                                   std::optional<sql::CatalogueCursor> after) {
    const std::string start = title_key(prefix);
    const std::string end = end_of_prefix(start);
    // No course has the id 0, so this is before the first.
    if (!after || after->title_key < start) after = sql::CatalogueCursor{start, CourseId(0)};
    co_return co_await sql::catalogue(reader, end, limit, std::move(after));
}

}  // namespace campus::courses
