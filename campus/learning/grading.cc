#include "campus/learning/grading.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>
#include <numeric>
#include <optional>
#include <string_view>
#include <utility>

#include "campus/audit/audit.h"
#include "campus/learning/queries.h"
#include "campus/learning/sql.h"
#include "campus/learning/views.h"
#include "campus/organisations/organisations.h"
#include "loadstone/base/error.h"
#include "loadstone/jobs/admin.h"
#include "loadstone/jobs/workflow.h"
#include "loadstone/outbound/mail.h"

namespace campus::learning {

using namespace loadstone;

namespace {

// Gives the job that ends the run.
Task<std::int64_t> begin_slices(Tx& tx, RunId run, courses::CourseId course,
                                const std::vector<Slice>& slices) {
    const auto taught = co_await courses::course_by_id(tx, course);
    std::optional<organisations::OrganisationId> organisation;
    if (taught) organisation = taught->organisation_id;
    const std::string tenant =
        organisations::tenant(organisation, fmt::format("course {}", course.value));
    std::vector<GradeSlice> jobs;
    for (const Slice& slice : slices) jobs.push_back({run, course, slice.number, tenant});
    if (!slices.empty()) {
        co_await sql::insert_slices(tx, run, slices);
    }
    const FinishGrades then{run};
    co_return co_await jobs::enqueue_batch(tx, jobs, then);
}

Task<void> tell_instructor(Tx& tx, RunId run) {
    SendGradesNotice notice;
    notice.run = run;
    const auto row = co_await sql::run_by_id(tx, run);
    if (row) notice.instructor = row->started_by;
    const auto instructor = co_await accounts::recipient(tx, notice.instructor);
    if (instructor) notice.provider = outbound::provider_of(instructor->email);
    notice.tenant = co_await organisations::tenant_of(tx, notice.instructor);
    co_await tx.enqueue(notice);
}

constexpr std::string_view unrecorded = "[]";  // buckets of a slice, until it is graded

Statistics total_of(const std::vector<sql::SliceResult>& slices) {
    Statistics total;
    for (const sql::SliceResult& slice : slices) {
        Statistics one;
        one.graded = slice.graded;
        one.grade_sum = slice.grade_sum;
        one.buckets =
            value_or_throw(from_json<std::vector<std::int64_t>>(slice.buckets, stored_json));
        total.add(one);
    }
    return total;
}

// Of a run that has begun: its jobs.
Task<void> begin_jobs(Tx& tx, courses::CourseId course, sql::BegunRun run) {
    const auto learners =
        co_await sql::learners(tx, course, run.started_at, learners_planned_at_once);
    if (learners.next) {
        const std::int64_t taken = co_await seats_taken(tx, course);
        const PlanGrades plan{run.id};
        const std::int64_t job = co_await jobs::enqueue(tx, plan);
        co_await sql::run_planned(tx, run.id, job, taken, 0);
    } else {
        SlicePlan plan;
        for (const sql::LearnersRow& learner : learners.rows) plan.add(learner.user_id);
        const std::int64_t job = co_await begin_slices(tx, run.id, course, plan.slices());
        co_await sql::run_planned(tx, run.id, job, plan.learners(), std::ssize(plan.slices()));
    }
}

Task<void> begin_later(Tx& tx, RunId run, jobs::EnqueueOptions when) {
    const BeginGrades begin{run};
    const std::int64_t job = co_await jobs::enqueue(tx, begin, when);
    co_await sql::run_planned(tx, run, job, 0, 0);
}

// Else what waits for that job would be told at once that it has ended, again and again.
Task<std::optional<std::string>> reason_if_stranded(Tx& tx, std::int64_t job) {
    const auto found = co_await jobs::job_by_id(tx, job);
    co_return stranded_by(job, found ? &*found : nullptr);
}

std::string no_weights(courses::CourseId course) {
    return fmt::format("course {} has no quiz with a weight", course.value);
}

}  // namespace

Error run_has_ended(RunId run) {
    return Error(Errc::conflict, fmt::format("run {} has ended, or has just gone on", run.value));
}

Task<RunId> start_run(Tx& tx, NewRun in) {
    const auto quizzes = co_await courses::quizzes(tx, in.course);
    const auto scheme = weighed(quizzes);
    if (scheme.empty()) throw Error(Errc::conflict, no_weights(in.course));
    const std::string scheme_json = to_json(scheme);
    const auto run = co_await sql::insert_run(tx, in.course, in.instructor, scheme_json);
    if (!run) {
        const auto running = co_await sql::running_run(tx, in.course);
        throw Error(Errc::already_exists, fmt::format("run {} of course {} is running",
                                                      running->id.value, in.course.value));
    }
    co_await begin_jobs(tx, in.course, *run);
    std::string detail = fmt::format("grades of course {} are calculated", in.course.value);
    co_await audit::append(tx, in.instructor.value, "grades.started", std::move(detail),
                           std::move(in.address));
    co_return run->id;
}

Task<RunId> schedule_run(Tx& tx, NewRun in, Timestamp at) {
    const auto run = co_await sql::insert_waiting_run(tx, in.course, in.instructor, at);
    if (!run)
        throw Error(Errc::already_exists,
                    fmt::format("a run of course {} waits for its time", in.course.value));
    const jobs::EnqueueOptions then{.at = at};
    co_await begin_later(tx, *run, then);
    std::string detail =
        fmt::format("grades of course {} are calculated at {}", in.course.value, to_rfc3339(at));
    co_await audit::append(tx, in.instructor.value, "grades.scheduled", std::move(detail),
                           std::move(in.address));
    co_return *run;
}

// Where one begins between these reads and this commit, that fails, and is tried again.
Task<void> begin_run(Tx& tx, jobs::Lease lease, RunId id) {
    co_await jobs::complete(tx, lease);
    const auto run = co_await sql::run_by_id(tx, id);
    if (!run || run->state != "waiting") co_return;
    const auto running = co_await sql::running_run(tx, run->course_id);
    if (running) {
        auto stranded = co_await reason_if_stranded(tx, running->job);
        if (!stranded) {
            const jobs::EnqueueOptions then{.after = {running->job},
                                            .if_failed = jobs::IfFailed::run};
            co_await begin_later(tx, id, then);
            co_return;
        }
        co_await give_up_run(tx, running->id, running->job, std::move(*stranded));
    }
    const auto quizzes = co_await courses::quizzes(tx, run->course_id);
    const auto scheme = weighed(quizzes);
    if (scheme.empty()) {
        std::string reason = no_weights(run->course_id);
        co_await give_up_run(tx, id, run->job, std::move(reason));
        co_return;
    }
    const std::string scheme_json = to_json(scheme);
    const auto begun = co_await sql::begin_run(tx, id, scheme_json);
    if (begun) co_await begin_jobs(tx, run->course_id, *begun);
}

Task<void> cancel_run(Tx& tx, sql::RunRow run, accounts::UserId by, std::string address) {
    co_await jobs::cancel_workflow(tx, run.job);
    const Timestamp now = Timestamp::now();
    const auto cancelled = co_await sql::cancel_run(tx, run.id, run.job, now);
    // That rolls the cancellation of its jobs back too.
    if (cancelled == 0) throw run_has_ended(run.id);
    // As each slice was recorded last: whoever would record one later finds none.
    const auto graded = co_await sql::take_slices(tx, run.id);
    const std::int64_t all = std::accumulate(graded.begin(), graded.end(), std::int64_t{0});
    co_await sql::set_graded(tx, run.id, all);
    std::string detail =
        fmt::format("run {} of course {} was cancelled", run.id.value, run.course_id.value);
    co_await audit::append(tx, by.value, "grades.cancelled", std::move(detail), std::move(address));
}

Task<void> plan_run(Tx& tx, jobs::Lease lease, sql::RunRow run, std::vector<Slice> slices,
                    std::int64_t learners) {
    co_await jobs::complete(tx, lease);
    const auto current = co_await sql::run_by_id(tx, run.id);
    if (!current || current->state != "running") co_return;
    const std::int64_t job = co_await begin_slices(tx, run.id, run.course_id, slices);
    co_await sql::run_planned(tx, run.id, job, learners, std::ssize(slices));
}

Task<void> put_grades(Tx& tx, courses::CourseId course, RunId run, std::vector<Grade> grades,
                      Timestamp now) {
    std::vector<accounts::UserId> learners;
    std::int64_t sum = 0;
    for (const Grade& each : grades) {
        learners.push_back(each.user_id);
        sum += each.grade;
    }
    const auto before = co_await sql::grades_of_learners(tx, course, learners);
    co_await sql::save_grades(tx, course, run, grades, now);
    cache::add(tx, graded_in_course, course, std::ssize(grades) - before.graded);
    cache::add(tx, grade_sum_of_course, course, sum - before.grade_sum);
}

Task<void> record_slice(Tx& tx, jobs::Lease lease, sql::RunRow run, GradedSlice slice) {
    co_await jobs::complete(tx, lease);
    const std::string buckets = to_json(slice.statistics.buckets);
    const auto recorded = co_await sql::record_slice(
        tx, run.id, slice.number, slice.statistics.graded, slice.statistics.grade_sum, buckets);
    if (recorded == 0 || slice.grades.empty()) co_return;
    const Timestamp now = Timestamp::now();
    co_await put_grades(tx, run.course_id, run.id, std::move(slice.grades), now);
}

Task<void> finish_run(Tx& tx, jobs::Lease lease, RunId run) {
    co_await jobs::complete(tx, lease);
    const auto slices = co_await sql::slices_of_run(tx, run);
    const Statistics total = total_of(slices);
    const std::string buckets = to_json(total.buckets);
    std::string state = "done";
    std::string reason;
    // Not what the batch says of its jobs: one of them may have been tried again since.
    const auto failed = std::ranges::count(slices, unrecorded, &sql::SliceResult::buckets);
    if (failed > 0) {
        state = "failed";
        reason = fmt::format("{} of {} slices of the learners could not be graded", failed,
                             slices.size());
    }
    const Timestamp now = Timestamp::now();
    const auto ended =
        co_await sql::end_run(tx, run, state, reason, total.graded, total.grade_sum, buckets, now);
    if (ended == 0) co_return;
    co_await sql::remove_slices(tx, run);
    co_await tell_instructor(tx, run);
}

// An operator has cancelled it, or it is a dead letter, of which the log says more.
std::optional<std::string> stranded_by(std::int64_t job, const jobs::JobRow* found) {
    if (found == nullptr) return fmt::format("job {}, which was to go on with it, is gone", job);
    if (found->state != "dead") return std::nullopt;
    return fmt::format("it was given up; the log has the reason under job {}", job);
}

Task<void> give_up_run(Tx& tx, RunId run, std::int64_t job, std::string reason) {
    const Timestamp now = Timestamp::now();
    const auto given_up = co_await sql::give_up_run(tx, run, job, reason, now);
    if (given_up == 0) co_return;
    co_await sql::remove_slices(tx, run);
    co_await tell_instructor(tx, run);
}

}  // namespace campus::learning
