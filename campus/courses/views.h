#pragma once
// What dashboards ask of courses each time: kept until a row of them changes.

#include <optional>
#include <vector>

#include "campus/courses/courses.h"
#include "loadstone/cache/view.h"
#include "loadstone/cache/views.h"

namespace campus::courses {

struct InstructorPage {
    accounts::UserId instructor;
    std::optional<CourseId> before;
    int limit = 0;
};
BOOST_DESCRIBE_STRUCT(InstructorPage, (), (instructor, before, limit))
struct OrganisationPage {
    organisations::OrganisationId organisation;
    std::optional<CourseId> before;
    int limit = 0;
};
BOOST_DESCRIBE_STRUCT(OrganisationPage, (), (organisation, before, limit))
struct OrganisationNewest {
    organisations::OrganisationId organisation;
    int limit = 0;
};
BOOST_DESCRIBE_STRUCT(OrganisationNewest, (), (organisation, limit))

extern const loadstone::cache::View<CourseId, std::optional<Outline>> outline_of_course;
extern const loadstone::cache::View<InstructorPage, CoursesPage> page_of_instructor;
extern const loadstone::cache::View<OrganisationPage, CoursesPage> page_of_organisation;
extern const loadstone::cache::View<std::vector<CourseId>, std::vector<Course>> courses_with_ids;
extern const loadstone::cache::View<OrganisationNewest, std::vector<CourseSize>>
    sizes_in_organisation;

void views(loadstone::Views& views);

}  // namespace campus::courses
