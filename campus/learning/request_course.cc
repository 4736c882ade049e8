#include "campus/learning/request_course.h"

#include <fmt/core.h>

#include "loadstone/base/error.h"

namespace campus::learning {

using namespace loadstone;

accounts::UserId user_of(Context& context) {
    return accounts::UserId(context.require_session().user);
}

Task<courses::Course> published_course(Context& context, courses::CourseId id) {
    const auto course = co_await courses::course_by_id(context.reader(), id);
    if (!course || !course->is_published())
        throw Error(Errc::not_found, fmt::format("there is no course {}", id.value));
    co_return *course;
}

Task<courses::Course> own_course(Context& context, courses::CourseId id) {
    const courses::Course course = co_await published_course(context, id);
    if (course.instructor_id != user_of(context))
        throw Error(Errc::permission_denied,
                    fmt::format("course {} is another instructor's", id.value));
    co_return course;
}

}  // namespace campus::learning
