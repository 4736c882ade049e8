#include <fmt/core.h>

#include <chrono>
#include <optional>
#include <vector>

#include "campus/learning/grading.h"
#include "campus/learning/queries.h"
#include "campus/learning/request_course.h"
#include "campus/learning/routes.h"
#include "loadstone/base/error.h"

namespace campus::learning {

using namespace loadstone;

namespace {

struct OwnGrade {
    courses::CourseId course;
    double percent = 0;
    RunId run;
    Timestamp graded_at;
};
BOOST_DESCRIBE_STRUCT(OwnGrade, (), (course, percent, run, graded_at))

struct StartedRun {
    RunId id;
};
BOOST_DESCRIBE_STRUCT(StartedRun, (), (id))

constexpr std::chrono::hours ahead_max{366 * 24};

struct When {
    std::optional<Timestamp> at;  // none: now
};
BOOST_DESCRIBE_STRUCT(When, (), (at))

void validate(Check& check, const When& when) {
    check.that("at", !when.at || *when.at <= Timestamp::now() + ahead_max,
               "must be within 366 days");
}

struct GradingRun {
    RunId id;
    courses::CourseId course;
    std::string state;                  // waiting, running, done, failed, cancelled
    std::int64_t learners = 0;          // whom it is to grade
    std::int64_t graded = 0;            // so far
    std::optional<std::string> reason;  // why it has failed
    Timestamp started_at;               // of one that waits: when it is to begin
    std::optional<Timestamp> ended_at;
    // When it is done.
    std::optional<double> average_percent;
    std::optional<std::vector<std::int64_t>> distribution;  // [0 %, 10 %), .. [90 %, 100 %]
};
BOOST_DESCRIBE_STRUCT(GradingRun, (),
                      (id, course, state, learners, graded, reason, started_at, ended_at,
                       average_percent, distribution))

Task<Reply<OwnGrade>> own_grade(Context& context, Path<courses::CourseId> id) {
    const courses::Course course = co_await published_course(context, id.value);
    const auto row = co_await sql::grade(context.reader(), course.id, user_of(context));
    if (!row)
        throw Error(Errc::not_found,
                    fmt::format("you have no grade in course {}", course.id.value));
    Reply<OwnGrade> reply{{course.id, percent(row->grade), row->run_id, row->graded_at}};
    co_return reply;
}

Task<Reply<StartedRun, 202>> calculate_grades(Context& context, const Request& request,
                                              Path<courses::CourseId> id, Parameters<When> when) {
    const courses::Course course = co_await own_course(context, id.value);
    NewRun in;
    in.course = course.id;
    in.instructor = course.instructor_id;
    in.address = request.address();
    RunId run;
    if (when->at) {
        run = co_await context.write(schedule_run, in, *when->at);
    } else {
        run = co_await context.write(start_run, in);
    }
    Reply<StartedRun, 202> reply{{run}};
    reply.headers.emplace_back(
        "Location", fmt::format("/api/courses/{}/grades/{}", course.id.value, run.value));
    co_return reply;
}

Task<sql::RunRow> run_of_course(Context& context, courses::CourseId course, RunId run) {
    auto row = co_await sql::run_by_id(context.reader(), run);
    if (!row || row->course_id != course)
        throw Error(Errc::not_found,
                    fmt::format("course {} has no grading run {}", course.value, run.value));
    co_return std::move(*row);
}

Task<Reply<GradingRun>> show_run(Context& context, Path<courses::CourseId> id, Path<RunId> run) {
    const courses::Course course = co_await own_course(context, id.value);
    // Before the run: one that ends in between shows as many as it has graded.
    const auto so_far = co_await sql::graded_so_far(context.reader(), run.value);
    const sql::RunRow row = co_await run_of_course(context, course.id, run.value);
    Reply<GradingRun> reply;
    GradingRun& shown = reply.body;
    shown.id = row.id;
    shown.course = row.course_id;
    shown.state = row.state;
    shown.learners = row.learners;
    shown.graded = row.state == "running" ? so_far : row.graded;
    shown.started_at = row.started_at;
    shown.ended_at = row.ended_at;
    if (row.state == "failed") shown.reason = row.reason;
    if (row.state == "done") {
        const Statistics statistics = statistics_of(row);
        shown.average_percent = statistics.average();
        shown.distribution = statistics.buckets;
    }
    co_return reply;
}

Task<Response> cancel_own_run(Context& context, const Request& request, Path<courses::CourseId> id,
                              Path<RunId> run) {
    const courses::Course course = co_await own_course(context, id.value);
    const sql::RunRow row = co_await run_of_course(context, course.id, run.value);
    // Ahead of a search for its jobs, which is dear.
    if (row.state != "waiting" && row.state != "running") throw run_has_ended(row.id);
    const std::string address(request.address());
    co_await context.write(cancel_run, row, course.instructor_id, address);
    co_return net::no_content();
}

}  // namespace

void grade_routes(Routes& routes) {
    routes.get("/api/courses/{course}/grade", own_grade)
        .summary_is("One's own grade, as it was calculated last")
        .may_answer(404);
    routes.post("/api/courses/{course}/grades", calculate_grades)
        .summary_is(
            "Calculate the grades of a course of one's own, now or `at` a time; the run is at "
            "Location")
        .limit_per_address(60, std::chrono::seconds(60))
        .may_answer(403)
        .may_answer(404)
        .may_answer(409);
    routes.get("/api/courses/{course}/grades/{run}", show_run)
        .summary_is("A grading run of a course of one's own: its state and how far it has come")
        .may_answer(403)
        .may_answer(404);
    routes.remove("/api/courses/{course}/grades/{run}", cancel_own_run)
        .summary_is("Cancel a grading run that waits or runs; grades that it gave stay")
        .limit_per_address(60, std::chrono::seconds(60))
        .may_answer(403)
        .may_answer(404)
        .may_answer(409);
}

}  // namespace campus::learning
