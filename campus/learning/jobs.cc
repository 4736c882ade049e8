#include "campus/learning/jobs.h"

#include <fmt/core.h>

#include <chrono>
#include <optional>
#include <utility>

#include "campus/learning/grading.h"
#include "campus/learning/queries.h"
#include "campus/notifications/notifications.h"
#include "loadstone/jobs/admin.h"
#include "loadstone/jobs/workflow.h"
#include "loadstone/module/site.h"
#include "loadstone/runtime/lane.h"

namespace campus::learning {

using namespace loadstone;

namespace {

constexpr int learners_at_once = 5'000;          // of one read while a run is planned
constexpr std::chrono::minutes unended_for{15};  // then it is asked what became of its job
constexpr int runs_at_once = 200;
constexpr int notices_at_once = 2;  // in all processes; the module has five places in each

Task<void> plan_grades(Context& context, Job<PlanGrades> job) {
    const auto run = co_await sql::run_by_id(context.reader(), job->run);
    if (!run || run->state != "running") co_return;
    SlicePlan plan;
    std::optional<sql::LearnersCursor> after;
    do {
        context.throw_if_done("planning a grading run");
        const auto learners = co_await sql::learners(context.reader(), run->course_id,
                                                     run->started_at, learners_at_once, after);
        for (const sql::LearnersRow& learner : learners.rows) plan.add(learner.user_id);
        after = learners.next;
    } while (after);
    co_await context.write(plan_run, job.lease(), *run, plan.slices(), plan.learners());
}

Task<void> begin_grades(Context& context, Job<BeginGrades> job) {
    co_await context.write(begin_run, job.lease(), job->run);
}

// Two attempts may read different rows, of learners that leave meanwhile; what is recorded is one
// of them, whole, for the job is completed in the same transaction.
Task<void> grade_slice(Context& context, Job<GradeSlice> job) {
    const auto run = co_await sql::run_by_id(context.reader(), job->run);
    if (!run || run->state != "running") co_return;
    const auto slice = co_await sql::slice(context.reader(), run->id, job->slice);
    if (!slice) co_return;
    const auto scheme = scheme_of(*run);
    const auto learners = co_await sql::learners_between(
        context.reader(), run->course_id, slice->after_user, slice->last_user, run->started_at);
    const auto best = co_await best_points_in(context.reader(), *run, *slice);
    GradedSlice graded;
    graded.number = slice->number;
    auto work = [&] {
        graded.grades = grades_of(scheme, learners, best);
        for (const Grade& grade : graded.grades) graded.statistics.add(grade);
    };
    co_await context.services().get<runtime::CpuLane>().lane.run(context, work);
    co_await context.write(record_slice, job.lease(), *run, graded);
}

Task<void> finish_grades(Context& context, Job<FinishGrades> job) {
    co_await context.write(finish_run, job.lease(), job->run);
}

std::string text_of(const sql::RunRow& run, const courses::Course& course,
                    const std::string& site) {
    std::string text = fmt::format("Hello,\n\nthe grades of \"{}\" ", course.title);
    if (run.state == "done") {
        text += fmt::format("are calculated: {} learners, {:.2f} % on average.", run.graded,
                            statistics_of(run).average());
    } else {
        text += fmt::format("could not be calculated: {}.", run.reason);
    }
    text += fmt::format("\n\n{}/api/courses/{}/grades/{}\n\nCampus\n", site, course.id.value,
                        run.id.value);
    return text;
}

Task<void> send_grades_notice(Context& context, Job<SendGradesNotice> job) {
    const auto run = co_await sql::run_by_id(context.reader(), job->run);
    if (!run || run->state == "running") co_return;
    const auto course = co_await courses::course_by_id(context.reader(), run->course_id);
    const auto instructor = co_await accounts::recipient(context.reader(), run->started_by);
    if (!course || !instructor) co_return;
    const std::string& site = context.services().get<module::Site>().url;
    notifications::Letter letter;
    letter.to_name = instructor->name;
    letter.to_address = instructor->email;
    letter.subject = run->state == "done" ? "The grades are ready" : "The grades are not ready";
    letter.text = text_of(*run, *course, site);
    co_await notifications::deliver(context, job.lease(), job.idempotency_key(), std::move(letter));
}

// A retry of the dead letter does nothing after this.
Task<void> give_up(Context& context, RunId id) {
    const auto run = co_await sql::run_by_id(context.reader(), id);
    if (!run) co_return;
    const auto job = co_await loadstone::jobs::job_by_id(context.reader(), run->job);
    if (!job || job->state != "dead") co_return;  // it has been put back meanwhile
    const auto reason = stranded_by(run->job, &*job);
    co_await context.write(give_up_run, run->id, run->job, *reason);
}

Task<void> give_up_beginning(Context& context, Job<BeginGrades> buried) {
    co_await give_up(context, buried->run);
}

Task<void> give_up_planning(Context& context, Job<PlanGrades> buried) {
    co_await give_up(context, buried->run);
}

Task<void> give_up_finishing(Context& context, Job<FinishGrades> buried) {
    co_await give_up(context, buried->run);
}

// Its job is gone, and with it what would end the run: an operator has cancelled it. Or it is a
// dead letter of which nobody was told.
Task<void> close_stranded_runs(Context& context, Job<CloseStrandedRuns>) {
    std::optional<sql::LongUnendedCursor> after;
    do {
        const Timestamp before = Timestamp::now() - unended_for;
        const auto runs = co_await sql::long_unended(context.reader(), before, runs_at_once, after);
        std::vector<std::int64_t> ids;
        for (const sql::UnendedRow& run : runs.rows) ids.push_back(run.job);
        const auto known = co_await loadstone::jobs::jobs_by_id(context.reader(), std::move(ids));
        for (const sql::UnendedRow& run : runs.rows) {
            const auto job = known.find(run.job);
            const auto reason = stranded_by(run.job, job != known.end() ? &job->second : nullptr);
            if (reason) co_await context.write(give_up_run, run.id, run.job, *reason);
        }
        after = runs.next;
    } while (after);
}

}  // namespace

void jobs(Handlers& handlers) {
    const auto soonest = std::chrono::seconds(1);
    const auto latest = std::chrono::minutes(1);
    // Nobody waits beside a run that was scheduled: however many have the same time, runs that have
    // begun, those that somebody has just started among them, go first.
    constexpr int started_first = 1;
    handlers.handle(begin_grades).attempts(10).backoff(soonest, latest);
    handlers.on_buried(give_up_beginning).attempts(10).backoff(soonest, latest);
    handlers.handle(plan_grades)
        .priority(started_first)
        .attempts(10)
        .timeout(std::chrono::minutes(5))
        .backoff(soonest, latest);
    handlers.on_buried(give_up_planning).attempts(10).backoff(soonest, latest);
    // A queue of its own: thousands of slices do not hold up what ends other runs.
    handlers.handle(grade_slice)
        .queue("grades")
        .attempts(10)
        .backoff(soonest, latest)
        .tenant(&GradeSlice::tenant);
    handlers.handle(finish_grades).priority(started_first).attempts(10).backoff(soonest, latest);
    handlers.on_buried(give_up_finishing).attempts(10).backoff(soonest, latest);
    // A queue and a limit of their own: mails that wait for a mail server, for as long as their
    // timeout, take no more places than that, and the others stay for runs.
    loadstone::jobs::Limit notices;
    notices.name = "learning.notices";
    notices.running_max = notices_at_once;
    handlers.handle(send_grades_notice)
        .queue("grade_notices")
        .attempts(120)
        .timeout(std::chrono::seconds(90))
        .tenant(&SendGradesNotice::tenant)
        .limit(notifications::per_provider(), &SendGradesNotice::provider)
        .limit(notices, &SendGradesNotice::notices);
    handlers.handle(close_stranded_runs)
        .timeout(std::chrono::minutes(5))
        .backoff(soonest, latest)
        .unique();
    handlers.recurring("stranded", "*/10 * * * *", "UTC", CloseStrandedRuns{});
}

}  // namespace campus::learning
