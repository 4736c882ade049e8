#pragma once
// courses' own: reads.

#include <optional>
#include <string>
#include <vector>

#include "campus/courses/courses.h"

namespace campus::courses {

// Published courses in the order of their titles, of which ASCII letters count without their case.
struct CatalogueRow {
    CourseId id;
    std::string title;
    accounts::UserId instructor_id;
    std::int64_t capacity = 0, lesson_count = 0;
};
BOOST_DESCRIBE_STRUCT(CatalogueRow, (), (id, title, instructor_id, capacity, lesson_count))

struct PlaceInCatalogue {
    std::string title_key;
    CourseId id;
};
BOOST_DESCRIBE_STRUCT(PlaceInCatalogue, (), (title_key, id))
loadstone::Task<std::optional<PlaceInCatalogue>> place_in_catalogue(loadstone::Reader reader,
                                                                    CourseId id);
// Those whose titles begin with `prefix`, behind `after`.
loadstone::Task<std::vector<CatalogueRow>> catalogue(loadstone::Reader reader, std::string prefix,
                                                     std::optional<PlaceInCatalogue> after,
                                                     int limit);

struct CoursePageRow {
    CourseId id;
    std::string title, description;
    accounts::UserId instructor_id;
    std::int64_t capacity = 0;
    std::string state;
    loadstone::Timestamp created_at;
    std::optional<loadstone::Timestamp> published_at;
};
BOOST_DESCRIBE_STRUCT(CoursePageRow, (),
                      (id, title, description, instructor_id, capacity, state, created_at,
                       published_at))
loadstone::Task<std::optional<CoursePageRow>> course_page(loadstone::Reader reader, CourseId id);

struct RequiredCourse {
    CourseId id;
    std::string title;
};
BOOST_DESCRIBE_STRUCT(RequiredCourse, (), (id, title))
loadstone::Task<std::vector<RequiredCourse>> required_courses(loadstone::Reader reader,
                                                              CourseId course);

}  // namespace campus::courses
