#include "campus/learning/grading.h"

#include <fmt/core.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "campus/audit/audit.h"
#include "campus/learning/queries.h"
#include "campus/learning/sql.h"
#include "loadstone/base/error.h"
#include "loadstone/jobs/workflow.h"
#include "loadstone/outbound/mail.h"

namespace campus::learning {

using namespace loadstone;

namespace {

// Gives the job that ends the run.
Task<std::int64_t> begin_slices(Tx& tx, RunId run, courses::CourseId course,
                                const std::vector<Slice>& slices) {
    std::vector<GradeSlice> jobs;
    for (const Slice& slice : slices) jobs.push_back({run, course, slice.number});
    if (!slices.empty()) {
        const std::string json = to_json(slices);
        co_await tx.exec(sql::insert_slices, run, json);
    }
    const FinishGrades then{run};
    co_return co_await jobs::enqueue_batch(tx, jobs, then);
}

Task<void> tell_instructor(Tx& tx, RunId run) {
    SendGradesNotice notice;
    notice.run = run;
    const auto row = co_await tx.maybe<RunRow>(sql::run_by_id, run);
    if (row) notice.instructor = row->started_by;
    const auto instructor = co_await accounts::recipient(tx, notice.instructor);
    if (instructor) notice.provider = outbound::provider_of(instructor->email);
    co_await tx.enqueue(notice);
}

struct SliceResult {
    std::int64_t graded = 0, grade_sum = 0;
    std::string buckets;
};
BOOST_DESCRIBE_STRUCT(SliceResult, (), (graded, grade_sum, buckets))

constexpr std::string_view unrecorded = "[]";  // buckets of a slice, until it is graded

Statistics total_of(const std::vector<SliceResult>& slices) {
    Statistics total;
    for (const SliceResult& slice : slices) {
        Statistics one;
        one.graded = slice.graded;
        one.grade_sum = slice.grade_sum;
        one.buckets =
            value_or_throw(from_json<std::vector<std::int64_t>>(slice.buckets, stored_json));
        total.add(one);
    }
    return total;
}

struct InsertedRun {
    RunId id;
    Timestamp started_at;
};
BOOST_DESCRIBE_STRUCT(InsertedRun, (), (id, started_at))

}  // namespace

Task<RunId> start_run(Tx& tx, NewRun in) {
    const auto quizzes = co_await courses::quizzes(tx, in.course);
    const auto scheme = weighed(quizzes);
    if (scheme.empty())
        throw Error(Errc::conflict,
                    fmt::format("course {} has no quiz with a weight", in.course.value));
    const std::string scheme_json = to_json(scheme);
    const auto run =
        co_await tx.maybe<InsertedRun>(sql::insert_run, in.course, in.instructor, scheme_json);
    if (!run) {
        const auto running = co_await tx.one<RunId>(sql::running_run, in.course);
        throw Error(Errc::already_exists,
                    fmt::format("run {} of course {} is running", running.value, in.course.value));
    }
    const std::int64_t from = 0;
    const auto learners = co_await tx.many<accounts::UserId>(
        sql::learners, in.course, from, run->started_at, learners_planned_at_once + 1);
    if (learners.size() > learners_planned_at_once) {
        const auto taken = co_await tx.one<std::int64_t>(sql::seats_taken, in.course);
        const PlanGrades plan{run->id};
        const std::int64_t job = co_await jobs::enqueue(tx, plan);
        const std::int64_t none = 0;
        co_await tx.exec(sql::run_planned, run->id, job, taken, none);
    } else {
        SlicePlan plan;
        for (const accounts::UserId learner : learners) plan.add(learner);
        const std::int64_t job = co_await begin_slices(tx, run->id, in.course, plan.slices());
        co_await tx.exec(sql::run_planned, run->id, job, plan.learners(), plan.slices().size());
    }
    audit::Event started;
    started.user = in.instructor.value;
    started.action = "grades.started";
    started.detail = fmt::format("grades of course {} are calculated", in.course.value);
    started.address = in.address;
    co_await audit::append(tx, std::move(started));
    co_return run->id;
}

Task<void> plan_run(Tx& tx, jobs::Lease lease, RunRow run, std::vector<Slice> slices,
                    std::int64_t learners) {
    co_await jobs::complete(tx, lease);
    const auto current = co_await tx.one<RunRow>(sql::run_by_id, run.id);
    if (current.state != "running") co_return;
    const std::int64_t job = co_await begin_slices(tx, run.id, run.course_id, slices);
    co_await tx.exec(sql::run_planned, run.id, job, learners, slices.size());
}

Task<void> record_slice(Tx& tx, jobs::Lease lease, RunRow run, GradedSlice slice) {
    co_await jobs::complete(tx, lease);
    const std::string buckets = to_json(slice.statistics.buckets);
    const auto recorded =
        co_await tx.exec(sql::record_slice, run.id, slice.number, slice.statistics.graded,
                         slice.statistics.grade_sum, buckets);
    if (recorded == 0 || slice.grades.empty()) co_return;
    const std::string grades = to_json(slice.grades);
    const Timestamp now = Timestamp::now();
    co_await tx.exec(sql::save_grades, run.course_id, run.id, grades, now);
}

Task<void> finish_run(Tx& tx, jobs::Lease lease, RunId run) {
    co_await jobs::complete(tx, lease);
    const auto slices = co_await tx.many<SliceResult>(sql::slices_of_run, run);
    const Statistics total = total_of(slices);
    const std::string buckets = to_json(total.buckets);
    std::string state = "done";
    std::string reason;
    // Not what the batch says of its jobs: one of them may have been tried again since.
    const auto failed = std::ranges::count(slices, unrecorded, &SliceResult::buckets);
    if (failed > 0) {
        state = "failed";
        reason = fmt::format("{} of {} slices of the learners could not be graded", failed,
                             slices.size());
    }
    const Timestamp now = Timestamp::now();
    const auto ended = co_await tx.exec(sql::end_run, run, state, reason, total.graded,
                                        total.grade_sum, buckets, now);
    if (ended == 0) co_return;
    co_await tx.exec(sql::remove_slices, run);
    co_await tell_instructor(tx, run);
}

Task<void> give_up_run(Tx& tx, RunId run, std::int64_t job, std::string reason) {
    const Timestamp now = Timestamp::now();
    const auto given_up = co_await tx.exec(sql::give_up_run, run, job, reason, now);
    if (given_up == 0) co_return;
    co_await tx.exec(sql::remove_slices, run);
    co_await tell_instructor(tx, run);
}

}  // namespace campus::learning
