#include "campus/learning/queries.h"

#include "campus/learning/sql.h"
#include "loadstone/base/error.h"

namespace campus::learning {

using namespace loadstone;

Task<std::optional<EnrolmentRow>> enrolment(Reader reader, courses::CourseId course,
                                            accounts::UserId user) {
    co_return co_await reader.maybe<EnrolmentRow>(sql::enrolment, course, user);
}

Task<std::vector<EnrolmentRow>> enrolments_of_user(Reader reader, accounts::UserId user,
                                                   courses::CourseId after, int limit) {
    co_return co_await reader.many<EnrolmentRow>(sql::enrolments_of_user, user, after, limit);
}

Task<std::int64_t> seats_taken(Reader reader, courses::CourseId course) {
    const auto taken = co_await reader.maybe<std::int64_t>(sql::seats_taken, course);
    co_return taken.value_or(0);
}

Task<std::int64_t> completed_among(Reader reader, accounts::UserId user,
                                   std::vector<courses::CourseId> courses) {
    const std::string ids = to_json(courses);
    co_return co_await reader.one<std::int64_t>(sql::completed_among, user, ids);
}

Task<std::optional<Timestamp>> completion(Reader reader, accounts::UserId user,
                                          courses::CourseId course) {
    co_return co_await reader.maybe<Timestamp>(sql::completion, user, course);
}

Task<std::vector<ProgressRow>> progress_of_course(Reader reader, accounts::UserId user,
                                                  courses::CourseId course) {
    co_return co_await reader.many<ProgressRow>(sql::progress_of_course, user, course);
}

Task<std::optional<RunRow>> run_by_id(Reader reader, RunId id) {
    co_return co_await reader.maybe<RunRow>(sql::run_by_id, id);
}

std::vector<WeighedQuiz> scheme_of(const RunRow& run) {
    return value_or_throw(from_json<std::vector<WeighedQuiz>>(run.scheme, stored_json));
}

Statistics statistics_of(const RunRow& run) {
    Statistics statistics;
    statistics.graded = run.graded;
    statistics.grade_sum = run.grade_sum;
    statistics.buckets =
        value_or_throw(from_json<std::vector<std::int64_t>>(run.buckets, stored_json));
    return statistics;
}

Task<std::int64_t> graded_so_far(Reader reader, RunId run) {
    co_return co_await reader.one<std::int64_t>(sql::graded_so_far, run);
}

Task<std::optional<Slice>> slice_of_run(Reader reader, RunId run, std::int64_t number) {
    co_return co_await reader.maybe<Slice>(sql::slice, run, number);
}

Task<std::vector<accounts::UserId>> learners_of_run(Reader reader, const RunRow& run,
                                                    accounts::UserId after, int limit) {
    co_return co_await reader.many<accounts::UserId>(sql::learners, run.course_id, after,
                                                     run.started_at, limit);
}

Task<std::vector<accounts::UserId>> learners_in(Reader reader, const RunRow& run, Slice slice) {
    co_return co_await reader.many<accounts::UserId>(
        sql::learners_between, run.course_id, slice.after_user, slice.last_user, run.started_at);
}

Task<std::vector<BestPoints>> best_points_in(Reader reader, const RunRow& run, Slice slice) {
    std::vector<BestPoints> best;
    auto sink = [&](const BestPoints& points) { best.push_back(points); };
    co_await reader.each<BestPoints>(sql::best_points, sink, run.course_id, slice.after_user,
                                     slice.last_user, run.started_at);
    co_return best;
}

Task<std::vector<RunningRow>> long_running(Reader reader, Timestamp before, RunningRow after,
                                           int limit) {
    co_return co_await reader.many<RunningRow>(sql::long_running, before, after.started_at,
                                               after.id, limit);
}

Task<std::optional<GradeRow>> grade_of_user(Reader reader, courses::CourseId course,
                                            accounts::UserId user) {
    co_return co_await reader.maybe<GradeRow>(sql::grade, course, user);
}

}  // namespace campus::learning
