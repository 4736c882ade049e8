#include "campus/learning/queries.h"

#include "loadstone/base/error.h"
#include "loadstone/base/json.h"

namespace campus::learning {

using namespace loadstone;

Task<bool> takes_part(Reader reader, courses::CourseId course, accounts::UserId user) {
    const auto found = co_await sql::enrolment(reader, course, user);
    co_return found.has_value();
}

Task<std::int64_t> seats_taken(Reader reader, courses::CourseId course) {
    const auto taken = co_await sql::seats_taken(reader, course);
    co_return taken.value_or(0);
}

Task<std::unordered_map<courses::CourseId, organisations::OrganisationId>> organisations_of(
    Reader reader, std::vector<courses::CourseId> ids) {
    const auto found = co_await courses::courses_by_id(reader, std::move(ids));
    std::unordered_map<courses::CourseId, organisations::OrganisationId> organisations;
    for (const courses::Course& course : found) {
        if (course.organisation_id) organisations[course.id] = *course.organisation_id;
    }
    co_return organisations;
}

std::vector<WeighedQuiz> scheme_of(const sql::RunRow& run) {
    return value_or_throw(from_json<std::vector<WeighedQuiz>>(run.scheme, stored_json));
}

Statistics statistics_of(const sql::RunRow& run) {
    Statistics statistics;
    statistics.graded = run.graded;
    statistics.grade_sum = run.grade_sum;
    statistics.buckets =
        value_or_throw(from_json<std::vector<std::int64_t>>(run.buckets, stored_json));
    return statistics;
}

Task<std::vector<BestPoints>> best_points_in(Reader reader, const sql::RunRow& run,
                                             const Slice& slice) {
    std::vector<BestPoints> best;
    auto sink = [&](const BestPoints& points) { best.push_back(points); };
    co_await sql::best_points(reader, sink, run.course_id, slice.after_user, slice.last_user,
                              run.started_at);
    co_return best;
}

}  // namespace campus::learning
