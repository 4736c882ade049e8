#pragma once

#include <memory>

#include "campus/courses/courses.h"
#include "loadstone/net/body_stream.h"

namespace campus::learning {

// All that anybody has done in a course's lessons, a record for each learner and lesson, by learner
// and lesson; also of those who have left. Columns: learner, lesson (their ids), lesson_number,
// lesson_title, length_s, position_s, updated_at, completed_at (RFC 3339; empty: not yet).
//
// Read in pages by key, a statement each: a client that is slow holds no connection, and no old
// rows are kept for it. What was there from beginning to end is in it once, as it was when its page
// was read.
std::shared_ptr<loadstone::net::BodyStream> progress_csv(courses::CourseId course);

}  // namespace campus::learning
