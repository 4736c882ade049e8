#pragma once
// learning's own: reads.

#include <optional>
#include <string>
#include <vector>

#include "campus/learning/grade.h"
#include "campus/learning/learning.h"
#include "campus/learning/slices.h"

namespace campus::learning {

struct EnrolmentRow {
    courses::CourseId course_id;
    accounts::UserId user_id;
    loadstone::Timestamp enrolled_at;
    std::int64_t lessons_completed = 0;
};
BOOST_DESCRIBE_STRUCT(EnrolmentRow, (), (course_id, user_id, enrolled_at, lessons_completed))
loadstone::Task<std::optional<EnrolmentRow>> enrolment(loadstone::Reader reader,
                                                       courses::CourseId course,
                                                       accounts::UserId user);
// By course, those behind `after`.
loadstone::Task<std::vector<EnrolmentRow>> enrolments_of_user(loadstone::Reader reader,
                                                              accounts::UserId user,
                                                              courses::CourseId after, int limit);
loadstone::Task<std::int64_t> seats_taken(loadstone::Reader reader, courses::CourseId course);
// How many of `courses` the user has completed.
loadstone::Task<std::int64_t> completed_among(loadstone::Reader reader, accounts::UserId user,
                                              std::vector<courses::CourseId> courses);
// When the user has completed the course.
loadstone::Task<std::optional<loadstone::Timestamp>> completion(loadstone::Reader reader,
                                                                accounts::UserId user,
                                                                courses::CourseId course);

struct ProgressRow {
    courses::LessonId lesson_id;
    std::int64_t position_s = 0;
    std::optional<loadstone::Timestamp> completed_at;
};
BOOST_DESCRIBE_STRUCT(ProgressRow, (), (lesson_id, position_s, completed_at))
// Of the lessons that the user has begun, in no order.
loadstone::Task<std::vector<ProgressRow>> progress_of_course(loadstone::Reader reader,
                                                             accounts::UserId user,
                                                             courses::CourseId course);

// As it is stored (sql/grading.sql).
struct RunRow {
    RunId id;
    courses::CourseId course_id;
    accounts::UserId started_by;
    std::string state;   // running, done, failed
    std::string scheme;  // JSON of std::vector<WeighedQuiz>
    std::int64_t learners = 0, slices = 0, job = 0;
    std::string reason;
    std::int64_t graded = 0, grade_sum = 0;  // when it has ended
    std::string buckets;                     // JSON of std::vector<std::int64_t>
    loadstone::Timestamp started_at;
    std::optional<loadstone::Timestamp> ended_at;
};
BOOST_DESCRIBE_STRUCT(RunRow, (),
                      (id, course_id, started_by, state, scheme, learners, slices, job, reason,
                       graded, grade_sum, buckets, started_at, ended_at))
loadstone::Task<std::optional<RunRow>> run_by_id(loadstone::Reader reader, RunId id);
std::vector<WeighedQuiz> scheme_of(const RunRow& run);
Statistics statistics_of(const RunRow& run);
// How many learners a run that runs has graded.
loadstone::Task<std::int64_t> graded_so_far(loadstone::Reader reader, RunId run);

loadstone::Task<std::optional<Slice>> slice_of_run(loadstone::Reader reader, RunId run,
                                                   std::int64_t number);
// By id, those behind `after` who were enrolled before the run.
loadstone::Task<std::vector<accounts::UserId>> learners_of_run(loadstone::Reader reader,
                                                               const RunRow& run,
                                                               accounts::UserId after, int limit);
loadstone::Task<std::vector<accounts::UserId>> learners_in(loadstone::Reader reader,
                                                           const RunRow& run, Slice slice);
// By user and quiz, of the attempts before the run.
loadstone::Task<std::vector<BestPoints>> best_points_in(loadstone::Reader reader, const RunRow& run,
                                                        Slice slice);

struct RunningRow {
    RunId id;
    std::int64_t job = 0;
    loadstone::Timestamp started_at;
};
BOOST_DESCRIBE_STRUCT(RunningRow, (), (id, job, started_at))
// Oldest first, those behind `after`.
loadstone::Task<std::vector<RunningRow>> long_running(loadstone::Reader reader,
                                                      loadstone::Timestamp before, RunningRow after,
                                                      int limit);

struct GradeRow {
    RunId run_id;
    std::int64_t grade = 0;
    loadstone::Timestamp graded_at;
};
BOOST_DESCRIBE_STRUCT(GradeRow, (), (run_id, grade, graded_at))
loadstone::Task<std::optional<GradeRow>> grade_of_user(loadstone::Reader reader,
                                                       courses::CourseId course,
                                                       accounts::UserId user);

}  // namespace campus::learning
