#pragma once
// learning: who takes part in which course, how far they have come, and their grades. Seats are
// counted in one row per course, in the transaction that enrols, so no seat is given twice. Grades
// are calculated as a batch of jobs, a slice of the learners each, now or at a time; the last one
// ends the run and its instructor is mailed.

#include <optional>
#include <string>
#include <vector>

#include "campus/accounts/accounts.h"
#include "campus/courses/courses.h"
#include "loadstone/base/describe.h"
#include "loadstone/base/id.h"
#include "loadstone/module/module.h"

namespace campus::learning {

loadstone::Module module();

// Whether somebody is enrolled now.
loadstone::Task<bool> takes_part(loadstone::Reader reader, courses::CourseId course,
                                 accounts::UserId user);

struct RunTag {};
using RunId = loadstone::Id<RunTag>;

// The job that begins a run whose time has come.
struct BeginGrades {
    RunId run;
};
BOOST_DESCRIBE_STRUCT(BeginGrades, (), (run))

// The job that cuts the learners of a large course into slices; small ones are cut at once.
struct PlanGrades {
    RunId run;
};
BOOST_DESCRIBE_STRUCT(PlanGrades, (), (run))

// The job that grades one slice. Organisations get equal shares of them.
struct GradeSlice {
    RunId run;
    courses::CourseId course;
    std::int64_t slice = 0;  // its number
    std::string tenant;      // the course's organisation, or else the course
};
BOOST_DESCRIBE_STRUCT(GradeSlice, (), (run, course, slice, tenant))

// The job that ends a run, when all its slices have ended.
struct FinishGrades {
    RunId run;
};
BOOST_DESCRIBE_STRUCT(FinishGrades, (), (run))

// The job that tells the instructor.
struct SendGradesNotice {
    RunId run;
    accounts::UserId instructor;
    std::string provider;         // of the instructor's mail
    std::string tenant;           // the instructor's organisation, or else the instructor
    std::string notices = "all";  // what their limit counts together: the same in each
};
BOOST_DESCRIBE_STRUCT(SendGradesNotice, (), (run, instructor, provider, tenant, notices))

// The job that gives up runs that nothing will end.
struct CloseStrandedRuns {};
BOOST_DESCRIBE_STRUCT(CloseStrandedRuns, (), ())

// Since 1970, UTC. Whatever is told of days is told of whole ones.
inline constexpr std::int64_t day_us = 86'400'000'000;
constexpr std::int64_t day_of(loadstone::Timestamp at) { return at.micros / day_us; }

// Active on a day, in a course: who went on with a lesson or attempted a quiz of it. What is asked
// of the database and of the column store is told by the same rows of active_days.
//
// At risk: who is enrolled, has completed less than half of the lessons, and since some day has
// neither enrolled nor been active.

// From the column store: what was done on each day. Days on which nothing was are not in it.
struct FactsOfDay {
    loadstone::Timestamp day;   // its start, UTC
    std::int64_t learners = 0;  // different ones who were active
    std::int64_t lessons = 0;   // completed
    std::int64_t attempts = 0;
};
BOOST_DESCRIBE_STRUCT(FactsOfDay, (), (day, learners, lessons, attempts))
struct ActivityByDay {
    std::vector<FactsOfDay> days;
    loadstone::Timestamp as_of;  // all that was committed by then is counted
};
// `since`: the start of a day. Errors: unavailable where the column store is not.
loadstone::Task<ActivityByDay> activity_by_day_of(loadstone::Context& context,
                                                  courses::CourseId course,
                                                  loadstone::Timestamp since);

struct CourseSize {
    courses::CourseId course_id;
    std::int64_t lesson_count = 0;
};
BOOST_DESCRIBE_STRUCT(CourseSize, (), (course_id, lesson_count))

// For dashboards, from views and aggregates: what is computed once for all until it changes.
// `since` is the start of a day, UTC.

struct Standing {
    courses::CourseId course_id;
    std::int64_t enrolled = 0;   // now
    std::int64_t active = 0;     // different learners, since
    std::int64_t completed = 0;  // learners, ever, also those who have left
    std::int64_t graded = 0;     // as `completed`
    std::int64_t grade_sum = 0;  // hundredths of a percent
    std::optional<loadstone::Timestamp> first_completed_at, last_completed_at;
};
// By course; none of a course that nobody ever enrolled in. Some 200 courses at most.
loadstone::Task<std::vector<Standing>> standings(loadstone::Reader reader,
                                                 std::vector<courses::CourseId> courses,
                                                 loadstone::Timestamp since);

struct ActiveDay {
    std::int64_t day = 0;       // as day_of()
    std::int64_t learners = 0;  // different ones
    std::int64_t lessons = 0;   // completed
    std::int64_t attempts = 0;
};
BOOST_DESCRIBE_STRUCT(ActiveDay, (), (day, learners, lessons, attempts))
// The days on which something was done in any of the courses, in order. A learner counts once a
// day.
loadstone::Task<std::vector<ActiveDay>> active_days(loadstone::Reader reader,
                                                    std::vector<courses::CourseId> courses,
                                                    loadstone::Timestamp since);

struct LessonReach {
    courses::LessonId lesson_id;
    std::int64_t begun = 0, completed = 0;  // by how many learners, also those who have left
};
BOOST_DESCRIBE_STRUCT(LessonReach, (), (lesson_id, begun, completed))
// Of the lessons that anybody has begun.
loadstone::Task<std::vector<LessonReach>> lesson_reach(loadstone::Reader reader,
                                                       courses::CourseId course);

// How many grades are in [0 %, 10 %), .. [90 %, 100 %].
loadstone::Task<std::vector<std::int64_t>> grade_distribution(loadstone::Reader reader,
                                                              courses::CourseId course);

struct GradeBin {
    std::int64_t bin = 0, learners = 0;
};
BOOST_DESCRIBE_STRUCT(GradeBin, (), (bin, learners))

struct AtRisk {
    accounts::UserId user_id;
    loadstone::Timestamp enrolled_at;
    std::int64_t lessons_completed = 0;
};
BOOST_DESCRIBE_STRUCT(AtRisk, (), (user_id, enrolled_at, lessons_completed))
struct AtRiskPage {
    std::vector<AtRisk> learners;  // by id
    std::optional<accounts::UserId> next_after;
};
BOOST_DESCRIBE_STRUCT(AtRiskPage, (), (learners, next_after))
// Who is at risk since then, behind `after`.
loadstone::Task<AtRiskPage> at_risk(loadstone::Reader reader, CourseSize course,
                                    loadstone::Timestamp since,
                                    std::optional<accounts::UserId> after, int limit);

// The same of many courses at once: those of an organisation.

struct CourseTotals {
    std::int64_t enrolled = 0;   // now; who takes two courses counts twice
    std::int64_t completed = 0;  // ever
};
BOOST_DESCRIBE_STRUCT(CourseTotals, (), (enrolled, completed))
loadstone::Task<CourseTotals> totals(loadstone::Reader reader,
                                     std::vector<courses::CourseId> courses);

struct PopularCourse {
    courses::CourseId course;
    std::int64_t enrolled = 0;  // now
};
// Those in which most learners are enrolled, the most first; none in which nobody is. Published
// ones, for nobody enrols in others. `limit`: cache::top_max at most.
loadstone::Task<std::vector<PopularCourse>> popular_courses(loadstone::Reader reader, int limit);
// Of an organisation.
loadstone::Task<std::vector<PopularCourse>> popular_courses_of(
    loadstone::Reader reader, organisations::OrganisationId organisation, int limit);

// Questions to the column store about some courses, all learners that there ever were; a learner in
// two courses counts twice. Each answer says as of when.
struct Progress {
    std::int64_t enrolled = 0;   // ever
    std::int64_t began = 0;      // were active on any day
    std::int64_t attempted = 0;  // a quiz
    std::int64_t completed = 0;  // the course
    std::int64_t idle = 0;       // at risk
};
BOOST_DESCRIBE_STRUCT(Progress, (), (enrolled, began, attempted, completed, idle))
loadstone::Task<loadstone::analytics::Single<Progress>> progress_of(
    loadstone::Context& context, std::vector<CourseSize> courses, loadstone::Timestamp idle_since);

struct BusyCourse {
    courses::CourseId course;
    std::int64_t learners = 0;  // different ones who were active
    std::int64_t lessons = 0, attempts = 0;
};
BOOST_DESCRIBE_STRUCT(BusyCourse, (), (course, learners, lessons, attempts))
// Those with most active learners since then, 10 at most.
loadstone::Task<loadstone::analytics::Answer<BusyCourse>> busiest(
    loadstone::Context& context, std::vector<courses::CourseId> courses,
    loadstone::Timestamp since);

struct IdleLearner {
    courses::CourseId course;
    accounts::UserId learner;
    loadstone::Timestamp last_active;
    std::int64_t lessons_completed = 0;
};
BOOST_DESCRIBE_STRUCT(IdleLearner, (), (course, learner, last_active, lessons_completed))
// Those of Progress::idle, longest idle first, 50 at most.
loadstone::Task<loadstone::analytics::Answer<IdleLearner>> longest_idle_of(
    loadstone::Context& context, std::vector<CourseSize> courses, loadstone::Timestamp since);

struct ScoreBand {
    // 0..9: [0 %, 10 %), .. [90 %, 100 %] of what the quiz has; -1: attempts that were made before
    // that was kept with them.
    std::int64_t band = 0;
    std::int64_t attempts = 0;
};
BOOST_DESCRIBE_STRUCT(ScoreBand, (), (band, attempts))
// Of all attempts at quizzes, by band; none of a band that has none.
loadstone::Task<loadstone::analytics::Answer<ScoreBand>> scores_of(
    loadstone::Context& context, std::vector<courses::CourseId> courses);

// As activity_by_day_of, of them all.
loadstone::Task<ActivityByDay> activity_by_day_among(loadstone::Context& context,
                                                     std::vector<courses::CourseId> courses,
                                                     loadstone::Timestamp since);

struct Period {
    loadstone::Timestamp from, to;  // to is not in it
};
// What was done in some courses, as a file of the column store: Parquet or CSV, by its name's
// ending, oldest first. Columns: happened_at, course, learner, kind, lesson, quiz, points.
loadstone::Task<loadstone::analytics::ExportedFile> export_activity(
    loadstone::Context& context, std::vector<courses::CourseId> courses, Period period,
    std::string name);

struct AtRiskAmong {
    courses::CourseId course_id;
    accounts::UserId user_id;
    loadstone::Timestamp enrolled_at;
    std::int64_t lessons_completed = 0;
};
BOOST_DESCRIBE_STRUCT(AtRiskAmong, (), (course_id, user_id, enrolled_at, lessons_completed))
struct AtRiskPlace {
    courses::CourseId course_id;
    accounts::UserId user_id;
};
BOOST_DESCRIBE_STRUCT(AtRiskPlace, (), (course_id, user_id))
struct AtRiskAmongPage {
    std::vector<AtRiskAmong> learners;  // by course and user
    std::optional<AtRiskPlace> next_after;
};
BOOST_DESCRIBE_STRUCT(AtRiskAmongPage, (), (learners, next_after))
// As at_risk(), behind `after`. Some thousand courses at most. While it is looked at, who asks too
// is given what was true up to 30 s ago, marked as stale.
loadstone::Task<AtRiskAmongPage> at_risk_among(loadstone::Reader reader,
                                               std::vector<CourseSize> courses,
                                               loadstone::Timestamp since,
                                               std::optional<AtRiskPlace> after, int limit);

// What `campus seed` makes.
struct SeededEnrolment {
    courses::CourseId course_id;
    accounts::UserId user_id;
    loadstone::Timestamp enrolled_at;
    std::int64_t lessons_completed = 0;  // as many as are completed in SeededProgress
    std::int64_t active_day = 0;         // found by seed_learning()
};
BOOST_DESCRIBE_STRUCT(SeededEnrolment, (),
                      (course_id, user_id, enrolled_at, lessons_completed, active_day))
struct SeededCompletion {
    accounts::UserId user_id;
    courses::CourseId course_id;
    loadstone::Timestamp completed_at;
};
BOOST_DESCRIBE_STRUCT(SeededCompletion, (), (user_id, course_id, completed_at))
struct SeededProgress {
    accounts::UserId user_id;
    courses::CourseId course_id;
    courses::LessonId lesson_id;
    std::int64_t position_s = 0;
    loadstone::Timestamp updated_at;
    std::optional<loadstone::Timestamp> completed_at;
};
BOOST_DESCRIBE_STRUCT(SeededProgress, (),
                      (user_id, course_id, lesson_id, position_s, updated_at, completed_at))
struct SeededAttempt {
    courses::CourseId course_id;
    accounts::UserId user_id;
    courses::QuizId quiz_id;
    std::int64_t points = 0, points_max = 0;
    loadstone::Timestamp attempted_at;
};
BOOST_DESCRIBE_STRUCT(SeededAttempt, (),
                      (course_id, user_id, quiz_id, points, points_max, attempted_at))
// Of some learners, all that they have.
struct SeededLearning {
    std::vector<SeededEnrolment> enrolments;
    std::vector<SeededCompletion> completions;
    std::vector<SeededProgress> progress;
    std::vector<SeededAttempt> attempts;
};
// Seats are counted; whether there are so many is the caller's to see to.
loadstone::Task<void> seed_learning(loadstone::Tx& tx, SeededLearning in);

struct SeededRun {
    courses::CourseId course;
    accounts::UserId instructor;
    std::vector<courses::Quiz> quizzes;
    loadstone::Timestamp started_at, ended_at;
};
// A grading run that is done, with the grades that it gave: of whom was enrolled before it began,
// by what was attempted before. Nothing if no quiz has a weight. Gives how many grades.
loadstone::Task<std::int64_t> seed_grades(loadstone::Tx& tx, SeededRun in);

}  // namespace campus::learning
