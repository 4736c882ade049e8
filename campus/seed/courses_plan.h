#pragma once
// The courses of `campus seed`. Pure.

#include <vector>

#include "campus/courses/courses.h"
#include "campus/seed/calendar.h"
#include "campus/seed/popularity.h"

namespace campus::seed {

// Number `number`; `enrolments` are expected. One of 30 is a draft; a few have fewer seats than are
// wanted. Made before the calendar's year.
courses::SeededCourse course_plan(loadstone::Random& random, const Calendar& calendar,
                                  std::int64_t number, accounts::UserId instructor,
                                  double enrolments);

}  // namespace campus::seed
