#pragma once
// courses' own: reads.

#include <optional>
#include <string>

#include "campus/courses/courses.h"
#include "campus/courses/sql.h"

namespace campus::courses {

// Published courses whose titles begin with `prefix`, behind `after` in the order of their titles,
// of which ASCII letters count without their case.
loadstone::Task<sql::CataloguePage> catalogue(loadstone::Reader reader, std::string prefix,
                                              int limit, std::optional<sql::CatalogueCursor> after);

}  // namespace campus::courses
