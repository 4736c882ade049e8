#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "campus/learning/learning.h"
#include "campus/learning/routes.h"

namespace campus::learning {

using namespace loadstone;

namespace {

struct PopularOnes {
    std::optional<int> limit;
};
BOOST_DESCRIBE_STRUCT(PopularOnes, (), (limit))

void validate(Check& check, const PopularOnes& in) {
    check.range("limit", in.limit.value_or(20), 1, 100);
}

struct PopularEntry {
    courses::CourseId id;
    std::string title;
    accounts::UserId instructor;
    std::int64_t capacity = 0, lessons = 0, enrolled = 0;
};
BOOST_DESCRIBE_STRUCT(PopularEntry, (), (id, title, instructor, capacity, lessons, enrolled))

struct Popular {
    std::vector<PopularEntry> courses;  // by learners who are enrolled now
};
BOOST_DESCRIBE_STRUCT(Popular, (), (courses))

Task<Reply<Popular>> show_popular(Context& context, Parameters<PopularOnes> in) {
    const Reader reader = context.reader(within(courses::catalogue_age_max));
    const auto most = co_await popular_courses(reader, in->limit.value_or(20));
    std::vector<courses::CourseId> ids;
    for (const PopularCourse& one : most) ids.push_back(one.course);
    auto all = co_await courses::courses_by_id(reader, std::move(ids));
    std::unordered_map<courses::CourseId, courses::Course> of_id;
    for (courses::Course& course : all) of_id[course.id] = std::move(course);
    Reply<Popular> reply;
    for (const PopularCourse& one : most) {
        const auto found = of_id.find(one.course);
        if (found == of_id.end()) continue;
        const courses::Course& course = found->second;
        reply.body.courses.push_back({course.id, course.title, course.instructor_id,
                                      course.capacity, course.lesson_count, one.enrolled});
    }
    co_return reply;
}

}  // namespace

void popular_routes(Routes& routes) {
    routes.get("/api/courses/popular", show_popular)
        .summary_is("The published courses in which most learners are enrolled, the most first")
        .stale_allowed(courses::catalogue_stale_max)
        .open_to_all()
        .revalidated();
}

}  // namespace campus::learning
