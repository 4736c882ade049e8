#include "campus/courses/views.h"

#include <utility>

#include "campus/courses/sql.h"
#include "campus/courses/sql_accesses.h"

namespace campus::courses {

using namespace loadstone;

namespace {

Task<std::optional<Outline>> compute_outline(Reader reader, CourseId id) {
    auto rows = co_await sql::course_outline(reader, id);
    if (rows.empty()) co_return std::nullopt;
    Outline course;
    course.id = id;
    course.title = std::move(rows.front().title);
    course.instructor_id = rows.front().instructor_id;
    course.state = std::move(rows.front().state);
    for (sql::OutlineRow& row : rows) {
        if (row.id) course.lessons.push_back({*row.id, *row.number, std::move(*row.lesson_title)});
    }
    co_return course;
}

}  // namespace

const cache::View<CourseId, std::optional<Outline>> outline_of_course{
    .name = "courses.outline",
    .compute = compute_outline,
    .reads = {{"courses", "id"}, {"lessons", "course_id"}},
};

void views(Views& views) {
    views.statements(sql::accesses);
    views.add(outline_of_course);
}

}  // namespace campus::courses
