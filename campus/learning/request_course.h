#pragma once
// learning's own: who asks, and of which course.

#include "campus/accounts/accounts.h"
#include "campus/courses/courses.h"
#include "loadstone/module/module.h"

namespace campus::learning {

accounts::UserId user_of(loadstone::Context& context);

// Errc::not_found, also of a draft.
loadstone::Task<courses::Course> published_course(loadstone::Context& context,
                                                  courses::CourseId id);
// Likewise; Errc::permission_denied: it is another's.
loadstone::Task<courses::Course> own_course(loadstone::Context& context, courses::CourseId id);

}  // namespace campus::learning
