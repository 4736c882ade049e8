#pragma once
// What dashboards ask of a course each time: kept until a row of it changes.

#include "campus/courses/courses.h"
#include "loadstone/cache/view.h"
#include "loadstone/cache/views.h"

namespace campus::courses {

extern const loadstone::cache::View<CourseId, std::optional<Outline>> outline_of_course;

void views(loadstone::Views& views);

}  // namespace campus::courses
