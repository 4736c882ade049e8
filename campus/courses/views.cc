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

Task<CoursesPage> compute_page_of_instructor(Reader reader, InstructorPage key) {
    return courses_of_instructor(reader, key.instructor, key.before, key.limit);
}

Task<CoursesPage> compute_page_of_organisation(Reader reader, OrganisationPage key) {
    return courses_of_organisation(reader, key.organisation, key.before, key.limit);
}

Task<std::vector<Course>> compute_courses(Reader reader, std::vector<CourseId> ids) {
    return courses_by_id(reader, std::move(ids));
}

Task<std::vector<CourseSize>> compute_sizes(Reader reader, OrganisationNewest key) {
    return sizes_of_organisation(reader, key.organisation, key.limit);
}

}  // namespace

const cache::View<CourseId, std::optional<Outline>> outline_of_course{
    .name = "courses.outline",
    .compute = compute_outline,
    .reads = {{"courses", "id"}, {"lessons", "course_id"}},
};

const cache::View<InstructorPage, CoursesPage> page_of_instructor{
    .name = "courses.of_instructor",
    .compute = compute_page_of_instructor,
    .reads = {{"courses", "instructor_id"}},
};

const cache::View<OrganisationPage, CoursesPage> page_of_organisation{
    .name = "courses.of_organisation",
    .compute = compute_page_of_organisation,
    .reads = {{"courses", "organisation_id"}},
};

const cache::View<std::vector<CourseId>, std::vector<Course>> courses_with_ids{
    .name = "courses.by_id",
    .compute = compute_courses,
    .reads = {{"courses", "id"}},
};

const cache::View<OrganisationNewest, std::vector<CourseSize>> sizes_in_organisation{
    .name = "courses.sizes",
    .compute = compute_sizes,
    .reads = {{"courses", "organisation_id"}},
};

void views(Views& views) {
    views.statements(sql::accesses);
    views.add(outline_of_course);
    views.add(page_of_instructor);
    views.add(page_of_organisation);
    views.add(courses_with_ids);
    views.add(sizes_in_organisation);
}

}  // namespace campus::courses
