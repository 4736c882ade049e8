#include "campus/dashboards/course_lines.h"

#include <unordered_map>
#include <utility>

#include "campus/dashboards/days.h"
#include "campus/learning/learning.h"

namespace campus::dashboards {

using namespace loadstone;

namespace {

constexpr int active_days = 7;  // with today

CourseLine line_of(courses::Course course, const learning::Standing& standing) {
    CourseLine line;
    line.course = course.id;
    line.title = std::move(course.title);
    line.state = std::move(course.state);
    line.capacity = course.capacity;
    line.lessons = course.lesson_count;
    line.enrolled = standing.enrolled;
    line.active = standing.active;
    line.completed = standing.completed;
    line.first_completed_at = standing.first_completed_at;
    line.last_completed_at = standing.last_completed_at;
    if (standing.graded > 0)
        line.average_percent =
            static_cast<double>(standing.grade_sum) / static_cast<double>(standing.graded) / 100;
    return line;
}

}  // namespace

Task<std::vector<CourseLine>> lines_of(Reader reader, std::vector<courses::Course> courses) {
    std::vector<courses::CourseId> ids;
    for (const courses::Course& course : courses) ids.push_back(course.id);
    const Timestamp since = days_before(active_days - 1, Timestamp::now());
    const auto standings = co_await learning::standings(reader, ids, since);
    std::unordered_map<courses::CourseId, learning::Standing> standing_of;
    for (const learning::Standing& one : standings) standing_of[one.course_id] = one;
    std::vector<CourseLine> lines;
    for (courses::Course& course : courses) {
        const learning::Standing& standing = standing_of[course.id];
        lines.push_back(line_of(std::move(course), standing));
    }
    co_return lines;
}

}  // namespace campus::dashboards
