#include "campus/courses/queries.h"

#include <utility>

#include "campus/courses/title_key.h"
#include "campus/courses/views.h"

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

Task<CoursesPage> courses_of_instructor(Reader reader, accounts::UserId instructor,
                                        std::optional<CourseId> before, int limit) {
    std::optional<sql::CoursesOfInstructorCursor> after;
    if (before) after.emplace().id = *before;
    auto found = co_await sql::courses_of_instructor(reader, instructor, limit, after);
    CoursesPage page;
    page.courses = std::move(found.rows);
    if (found.next) page.next_before = found.next->id;
    co_return page;
}

Task<CoursesPage> courses_of_organisation(Reader reader, organisations::OrganisationId organisation,
                                          std::optional<CourseId> before, int limit) {
    std::optional<sql::CoursesOfOrganisationCursor> after;
    if (before) after.emplace().id = *before;
    auto found = co_await sql::courses_of_organisation(reader, organisation, limit, after);
    CoursesPage page;
    page.courses = std::move(found.rows);
    if (found.next) page.next_before = found.next->id;
    co_return page;
}

Task<std::vector<Course>> courses_by_id(Reader reader, std::vector<CourseId> ids) {
    co_return co_await sql::courses_by_id(reader, ids);
}

Task<std::vector<CourseSize>> sizes_of_organisation(Reader reader,
                                                    organisations::OrganisationId organisation,
                                                    int limit) {
    return sql::sizes_of_organisation(reader, organisation, limit);
}

Task<CoursesPage> courses_of_instructor(Context& context, accounts::UserId instructor,
                                        std::optional<CourseId> before, int limit) {
    const InstructorPage key{instructor, before, limit};
    co_return co_await cache::value(context, page_of_instructor, key);
}

Task<CoursesPage> courses_of_organisation(Context& context,
                                          organisations::OrganisationId organisation,
                                          std::optional<CourseId> before, int limit) {
    const OrganisationPage key{organisation, before, limit};
    co_return co_await cache::value(context, page_of_organisation, key);
}

Task<std::vector<Course>> courses_by_id(Context& context, std::vector<CourseId> ids) {
    co_return co_await cache::value(context, courses_with_ids, std::move(ids));
}

Task<std::vector<CourseSize>> sizes_of_organisation(Context& context,
                                                    organisations::OrganisationId organisation,
                                                    int limit) {
    const OrganisationNewest key{organisation, limit};
    co_return co_await cache::value(context, sizes_in_organisation, key);
}

Task<std::optional<Outline>> outline(Reader reader, CourseId id) {
    co_return co_await cache::value(reader.context(), outline_of_course, id);
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
